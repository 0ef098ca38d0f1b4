import assert from 'node:assert/strict';
import { test } from 'node:test';
import { letRun } from './held-clock.ts';
import { ordinals, SessionBench } from './session-bench.ts';

const MB = 1e6;
const BUFFER_BYTES = 16 * MB;

/** Heartbeats of a cast that brings 5 MB a second, from hosts whose disks take so many MB a second. */
async function hear(bench: SessionBench, disksMB: Readonly<Record<string, number>>, seconds: number): Promise<void> {
  for (let second = 1; second <= seconds; second++) {
    await bench.clock.advance(1);
    for (const [name, diskMB] of Object.entries(disksMB)) {
      const receivedBytes = 5 * MB * second;
      const queuedBytes = Math.min(BUFFER_BYTES, receivedBytes - Math.min(5, diskMB) * MB * second);
      const stream = { receivedBytes, queuedBytes, bufferBytes: BUFFER_BYTES, stalledMs: 0 };
      const doneBytes = receivedBytes - queuedBytes;
      const progress = { phase: 'receive', doneBytes, totalBytes: 200 * MB, bytesPerSecond: diskMB * MB, stream };
      bench.report(name, { status: 'working', progress });
    }
  }
}

test('a restart of the daemon remembers who was parked, and the next cast of the others is without it', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2', 'slow');
  const { sessionId } = await bench.deploy({ mode: 'multicast' });
  for (const name of ['pc-1', 'pc-2', 'slow']) await bench.done(name, 'all');
  await hear(bench, { 'pc-1': 5, 'pc-2': 5, slow: 0.5 }, 6);
  assert.equal(bench.tasks(sessionId).slow, 'preparing');
  const parkedAt = () => bench.sessions.view(sessionId).tasks.find(({ host }) => host === 'slow')!.parkedBytesPerSecond;
  assert.equal(parkedAt(), 0.5 * MB);

  await bench.restart();
  assert.equal(parkedAt(), 0.5 * MB);
  for (const name of ['pc-1', 'pc-2', 'slow']) await bench.done(name, ordinals(20, 200));
  assert.equal(bench.casts.length, 1);
  assert.deepEqual([bench.told('pc-1'), bench.told('pc-2'), bench.told('slow')], ['receive', 'receive', 'hold']);
});

test('a restart of the daemon remembers whom multicast does not reach, and it takes HTTP again', async (t) => {
  const bench = new SessionBench(t);
  bench.config.cast.probePackets = 8;
  bench.addHosts('pc-1', 'pc-2', 'deaf');
  const { sessionId } = await bench.deploy({ mode: 'multicast' });
  for (const name of ['pc-1', 'pc-2', 'deaf']) await bench.done(name, 'all');
  const answerProbe = (name: string, heard: number) => {
    const order = bench.order(name);
    assert.ok(order.kind === 'deploy' && order.probe !== undefined, `${name} is probed`);
    bench.report(name, { status: 'idle', probe: { nonce: order.probe.nonce, heard, of: 8 } });
  };
  answerProbe('pc-1', 8);
  answerProbe('pc-2', 8);
  answerProbe('deaf', 0);
  await bench.clock.advance(1);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'receiving', 'pc-2': 'receiving', deaf: 'repairing' });

  await bench.restart();
  bench.arrive('deaf');
  for (const name of ['pc-1', 'pc-2', 'deaf']) await bench.done(name, ordinals(20, 200));
  await letRun();
  answerProbe('pc-1', 8);
  answerProbe('pc-2', 8);
  assert.equal(bench.told('deaf'), 'repair', 'it is not probed again');
  await bench.clock.advance(1);
  assert.deepEqual([bench.told('pc-1'), bench.told('pc-2'), bench.told('deaf')], ['receive', 'receive', 'repair']);
});
