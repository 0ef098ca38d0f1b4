/** Who leaves a cast, or stays out of it, on the road of a session. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { SessionBench } from './session-bench.ts';

const room = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
/** One slice of udp-sender. */
const SLICE_BYTES = 745_472;

function address(name: string): string {
  return `10.0.0.${name.slice(3)}`;
}

/** Four hosts, each with an address and a link of its own. */
function benchOf(t: TestContext, linkMbit: Readonly<Record<string, number>> = {}): SessionBench {
  const bench = new SessionBench(t);
  bench.addHosts(...room);
  for (const name of room) {
    const { inventory } = bench.hosts.get(name);
    bench.hosts.hello(bench.hostId(name), {
      ...inventory!,
      address: address(name),
      linkMbit: linkMbit[name] ?? inventory!.linkMbit!,
    });
  }
  return bench;
}

/** All are there and hear the first cast. */
async function cast(bench: SessionBench): Promise<number> {
  const { sessionId } = await bench.deploy();
  for (const name of room) await bench.done(name, 'all');
  return sessionId;
}

/** So many seconds of a cast at this rate, in which udp-sender waits for one host. */
async function wait(
  bench: SessionBench,
  name: string,
  bytesPerSecond: number,
  seconds: number,
  fromBytes = 0,
): Promise<number> {
  let sentBytes = fromBytes;
  const stepS = SLICE_BYTES / bytesPerSecond;
  for (let passedS = 0; passedS < seconds; passedS += stepS) {
    await bench.clock.leap(Math.round(stepS * 1000));
    sentBytes += SLICE_BYTES;
    const atMs = bench.clock.steadyMs();
    const said = { atMs, addresses: [address(name)], sentBytes, retransmits: 0, fullMs: atMs };
    for (const isLong of [true, false]) bench.casts[0]!.options.onWait!({ ...said, isLong });
    bench.heartbeat(...room);
  }
  return sentBytes;
}

function eventsOf(bench: SessionBench, sessionId: number, action: string): string[] {
  return bench.events
    .list({ sessionId })
    .filter((event) => event.action === action)
    .map(({ text }) => text);
}

test('a host whose link is a tenth of the others’ is set aside: the plan says so, the cast begins without it, then it is served', async (t) => {
  const bench = benchOf(t, { 'pc-2': 10 });
  const plan = await bench.sessions.planDeploy(bench.request());
  assert.deepEqual(
    plan.hosts.map(({ setAside }) => setAside?.linkMbit),
    [undefined, 10, undefined, undefined],
  );
  assert.match(plan.expectedBecause, /^the others first, in 18 s; then pc-2: one pass at 94 % of 10 Mbit\/s/);
  const sessionId = await cast(bench);
  assert.deepEqual(
    room.map((name) => bench.told(name)),
    ['receive', 'hold', 'receive', 'receive'],
  );
  const [text] = eventsOf(bench, sessionId, 'parked');
  assert.equal(
    text,
    'pc-2 has a link of 10 Mbit/s: the cast takes 18 s instead of 179 s without it; set aside, is served afterwards',
  );
  await bench.casts[0]!.end('sent');
  for (const name of room) if (name !== 'pc-2') await bench.done(name, []);
  assert.equal(bench.told('pc-2'), 'repair');
  assert.deepEqual(
    bench.sessions.view(sessionId).tasks.map(({ parkedFor }) => parkedFor),
    [undefined, 'cable', undefined, undefined],
  );
});

test('hosts whose links are all slow hear one cast together', async (t) => {
  const bench = benchOf(t, Object.fromEntries(room.map((name) => [name, 10])));
  await cast(bench);
  assert.deepEqual(
    room.map((name) => bench.told(name)),
    room.map(() => 'receive'),
  );
});

/** All listen to the probe that they are told to hear now, and say how long its datagrams took; the name of the probe. */
async function hearProbe(bench: SessionBench, spanMs: Readonly<Record<string, number>>, before = ''): Promise<string> {
  const probeOf = (name: string) => {
    const order = bench.order(name);
    return order.kind === 'deploy' ? order.probe : undefined;
  };
  // It is sent through a real socket.
  while ([undefined, before].includes(probeOf('pc-1')?.nonce)) await new Promise((resolve) => setImmediate(resolve));
  const { nonce, count } = probeOf('pc-1')!;
  const progress = { phase: 'probe', doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };
  for (const name of room) bench.report(name, { status: 'working', progress });
  for (const name of room) {
    bench.report(name, { status: 'done', probe: { nonce, heard: count, of: count, spanMs: spanMs[name] ?? 24 } });
  }
  return nonce;
}

test('a host that hears two probes ten times more slowly than the others is set aside before the cast', async (t) => {
  const bench = benchOf(t);
  bench.config.cast.probePackets = 200;
  const sessionId = await cast(bench);
  const first = await hearProbe(bench, { 'pc-2': 234, 'pc-4': 300 });
  await hearProbe(bench, { 'pc-2': 240 }, first);
  while (bench.casts.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    room.map((name) => bench.told(name)),
    ['receive', 'hold', 'receive', 'receive'],
  );
  assert.deepEqual(eventsOf(bench, sessionId, 'parked'), [
    'pc-2 hears a probe at 10 Mbit/s, the others at 98 Mbit/s: the cast takes 18 s instead of 168 s without it; set aside, is served afterwards',
  ]);
});

test('a host that the cast waits for is parked, and when the cast is quicker without it, that is said', async (t) => {
  const bench = benchOf(t);
  const sessionId = await cast(bench);
  const sent = await wait(bench, 'pc-3', 1e6, 4);
  assert.equal(bench.told('pc-3'), 'prepare');
  assert.match(
    eventsOf(bench, sessionId, 'parked').join(),
    /^pc-3 hears 8\.0 Mbit\/s, 94 Mbit\/s are possible: a slow cable, .* \(in 100 % of the slices .* buffer is empty\): parked, will be repaired$/,
  );
  await wait(bench, 'pc-1', 10e6, 4, sent);
  assert.deepEqual(eventsOf(bench, sessionId, 'quicker'), [
    'Without pc-3 the cast goes at 80 Mbit/s instead of 8.0 Mbit/s',
  ]);
  assert.equal(bench.told('pc-1'), 'receive', 'at 80 of 94 Mbit/s nobody else holds it back by enough');
});

test('when the cast is no quicker, the host is like any other again and nobody else is parked for a cable in it', async (t) => {
  const bench = benchOf(t);
  const sessionId = await cast(bench);
  const sent = await wait(bench, 'pc-3', 1e6, 4);
  await wait(bench, 'pc-1', 1e6, 15, sent);
  assert.match(
    eventsOf(bench, sessionId, 'no-quicker').join(),
    /^Without pc-3 the cast is no quicker \(8\.0 Mbit\/s instead of 8\.0 Mbit\/s\)/,
  );
  assert.deepEqual(
    bench.sessions.view(sessionId).tasks.map(({ parkedFor }) => parkedFor),
    room.map(() => undefined),
  );
  assert.equal(bench.told('pc-1'), 'receive');
  assert.equal(eventsOf(bench, sessionId, 'parked').length, 1);
});

test('a host that udp-sender has dropped is told at once, not when its receiver gives up', async (t) => {
  const bench = benchOf(t);
  const sessionId = await cast(bench);
  const progress = { takenBytes: 1, sentBytes: 1, joined: room.map(address), dropped: [], retransmits: 0 };
  bench.casts[0]!.options.onProgress!({ ...progress, dropped: [address('pc-4')] });
  assert.deepEqual(
    room.map((name) => bench.told(name)),
    ['receive', 'receive', 'receive', 'prepare'],
  );
  assert.equal(eventsOf(bench, sessionId, 'dropped').length, 1);
});
