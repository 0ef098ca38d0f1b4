/** Delta on the road of a session: who is told to hash, what travels then, and what survives a reboot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { DeployResult } from '#protocol/task-result.ts';
import { CHUNKS, ordinals, SessionBench } from './session-bench.ts';

const two = ['pc-1', 'pc-2'];

/** Whether the present order of a host tells it to hash. */
function mustHash(bench: SessionBench, name: string): boolean {
  const order = bench.order(name);
  assert.ok(order.kind === 'deploy' && order.step === 'prepare', order.kind);
  return order.hash === true;
}

/** The image is on the disks of these hosts, and the session is over. */
async function deployOnce(bench: SessionBench, names: readonly string[]): Promise<void> {
  await bench.deploy({ hosts: [...names], onDone: 'stay' });
  for (const name of names) await bench.done(name, 'all');
  await bench.casts.at(-1)!.end('sent');
  for (const name of names) await bench.done(name, []);
  for (const name of names) await bench.verifyAndFinish(name);
}

async function planOf(bench: SessionBench, fields: Partial<DeployRequest> = {}) {
  const { hosts } = await bench.sessions.planDeploy(bench.request(fields));
  return hosts.map(({ delta }) => delta!);
}

test('hosts that never had a task take everything; those that got the image hash their disks the next time', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts(...two);
  assert.deepEqual(
    (await planOf(bench)).map(({ hash, because }) => [hash, because]),
    [
      [false, 'nothing is known of its disk'],
      [false, 'nothing is known of its disk'],
    ],
  );
  await deployOnce(bench, two);
  const [one] = await planOf(bench);
  assert.equal(one!.hash, true);
  assert.match(one!.because, /^its disk has had win11@1 since session 1; /);
  assert.ok(one!.deltaSeconds < one!.fullSeconds);
  await bench.deploy();
  assert.deepEqual(
    two.map((name) => mustHash(bench, name)),
    [true, true],
  );
});

test('disks that are all equal: nothing travels, and the session is verified all the same', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts(...two);
  await deployOnce(bench, two);
  const { sessionId } = await bench.deploy();
  for (const name of two) await bench.done(name, []);
  for (const name of two) await bench.verifyAndFinish(name);
  assert.equal(bench.state(sessionId), 'completed');
  assert.equal(bench.casts.length, 1, 'no pass after that of the first session');
  assert.deepEqual(bench.sessions.view(sessionId).casts, []);
});

test('what has drifted alike on many disks is cast, what one host lacks alone comes over HTTP', async (t) => {
  const bench = new SessionBench(t);
  const names = Array.from({ length: 10 }, (_, i) => `pc-${i}`);
  bench.addHosts(...names);
  await deployOnce(bench, names);
  await bench.deploy();
  for (const [i, name] of names.entries()) await bench.done(name, [...ordinals(0, 20), 100 + i]);
  const order = bench.order('pc-0');
  assert.ok(order.kind === 'deploy' && order.step === 'receive' && order.cast?.frames === 20, JSON.stringify(order));
  await bench.casts[1]!.end('sent');
  for (const [i, name] of names.entries()) await bench.done(name, [100 + i]);
  assert.equal(bench.casts.length, 2);
  assert.deepEqual(
    names.map((name) => bench.told(name)),
    names.map(() => 'repair'),
  );
});

test('little that has drifted is not worth a pass', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts(...two);
  await deployOnce(bench, two);
  await bench.deploy();
  for (const name of two) await bench.done(name, ordinals(0, 30));
  assert.equal(bench.casts.length, 1);
  assert.deepEqual(
    two.map((name) => bench.told(name)),
    ['repair', 'repair'],
  );
});

test('a network that an earlier session has seen to be slow makes a pass worth it', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts(...two);
  await bench.deploy({ onDone: 'stay' });
  for (const name of two) await bench.done(name, 'all');
  const startedSteadyMs = bench.clock.steadyMs();
  bench.clock.jump(3600_000);
  await bench.clock.advance(20);
  bench.heartbeat(...two);
  // A megabyte a second over links of 100 Mbit/s, whoever sets the clock meanwhile.
  await bench.casts[0]!.end('sent', { sentBytes: 20e6, startedSteadyMs });
  for (const name of two) await bench.done(name, []);
  for (const name of two) await bench.verifyAndFinish(name);
  await bench.deploy();
  for (const name of two) await bench.done(name, ordinals(0, 30));
  assert.deepEqual(
    two.map((name) => bench.told(name)),
    ['receive', 'receive'],
  );
});

test('when one host needs the whole image the others need not hash, unless the admin says so', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2', 'pc-3');
  await deployOnce(bench, two);
  assert.deepEqual(
    (await planOf(bench)).map(({ hash }) => hash),
    [false, false, false],
  );
  assert.deepEqual(
    (await planOf(bench, { delta: 'always' })).map(({ hash }) => hash),
    [true, true, true],
  );
  assert.deepEqual(
    (await planOf(bench, { delta: 'never', hosts: two })).map(({ hash }) => hash),
    [false, false],
  );
  assert.deepEqual(
    (await planOf(bench, { hosts: two })).map(({ hash }) => hash),
    [true, true],
  );
});

test('a host that reboots in mid-cast hashes when much was laid on its disk, and not when little was', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts(...two);
  await bench.deploy();
  for (const name of two) await bench.done(name, 'all');
  const receiving = (holes: number) => ({
    status: 'working' as const,
    progress: { phase: 'receive', doneBytes: 1, totalBytes: 2, bytesPerSecond: 1, holes },
  });
  bench.report('pc-1', receiving(50));
  bench.report('pc-2', receiving(CHUNKS - 4));
  bench.arrive(...two);
  assert.equal(mustHash(bench, 'pc-1'), true);
  assert.equal(mustHash(bench, 'pc-2'), false);
  await bench.done('pc-1', ordinals(150, 200));
  assert.equal(bench.sessions.view(1).tasks[0]!.holes, 50);
});

test('what was laid is known after the daemon was killed in mid-cast, and in the next session', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  const progress = { phase: 'receive', doneBytes: 1, totalBytes: 2, bytesPerSecond: 1, holes: 50 };
  bench.report('pc-1', { status: 'working', progress });
  await bench.restart();
  bench.arrive('pc-1');
  assert.equal(mustHash(bench, 'pc-1'), true);
  await bench.sessions.cancel(sessionId);
  const [one] = await planOf(bench);
  assert.equal(one!.hash, true);
  assert.match(one!.because, /^session 1 left 75 % of win11@1 on its disk; /);
});

test('the order to hash is the same after a restart of the daemon', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts(...two);
  await deployOnce(bench, two);
  await bench.deploy();
  const { rev } = bench.order('pc-1');
  await bench.restart();
  bench.heartbeat('pc-1');
  assert.equal(bench.order('pc-1').rev, rev);
  assert.equal(mustHash(bench, 'pc-1'), true);
});

test('how fast a disk was read, and how far it had drifted, is remembered for the next plan', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  await deployOnce(bench, ['pc-1']);
  await bench.deploy({ onDone: 'stay' });
  await bench.done('pc-1', [3]);
  await bench.done('pc-1', []);
  await bench.done('pc-1', []);
  const deployResult: DeployResult = {
    disk: { ...bench.hosts.get('pc-1').inventory!.disks[0]! },
    ...{ chunks: CHUNKS, castBytes: 0, httpBytes: 20, keptBytes: 980, verifiedChunks: CHUNKS },
    readBytesPerSecond: 80e6,
  };
  bench.report('pc-1', { status: 'done', deployResult });
  const [one] = await planOf(bench);
  assert.match(one!.because, /it was read at 80 MB\/s before$/);
  assert.ok(Math.abs(one!.moveShare - 0.02) < 1e-9);
});
