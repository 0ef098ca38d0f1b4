import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actingAs } from '#server/inventory/actor.ts';
import { SessionBench } from './session-bench.ts';

const disk = {
  ...{ path: '/disks/pc-1', model: 'Virt disk', serial: 'D-pc-1', sizeBytes: 512 << 20, sectorBytes: 512 },
  ...{ transport: 'virtio', removable: false, readOnly: false, inUse: false, content: '' },
};
const deployResult = { disk, chunks: 200, castBytes: 150, httpBytes: 40, keptBytes: 10, verifiedChunks: 200 };
const error = { code: 'DISK_WRITE_FAILED', message: 'pc-2: bad', next: 'mend' } as const;

/** Every step of pc-1 takes a second of its own; pc-2 fails while it prepares. */
async function deployOne(bench: SessionBench): Promise<number> {
  const { sessionId } = await actingAs('anna', () => bench.deploy());
  const step = async (action: () => unknown) => {
    await bench.clock.advance(1);
    await action();
  };
  bench.report('pc-2', { status: 'failed', error });
  await step(() => bench.done('pc-1', 'all'));
  await bench.casts[0]!.end('sent');
  await step(() => bench.done('pc-1', [3]));
  await step(() => bench.done('pc-1', []));
  await step(() => bench.done('pc-1', []));
  await step(() => bench.report('pc-1', { status: 'done', deployResult }));
  return sessionId;
}

test('a receipt says what was written where, how it was verified, and when each stage was over', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const beganMs = bench.clock.nowMs();
  const sessionId = await deployOne(bench);
  const report = bench.sessions.reports.session(sessionId);
  assert.deepEqual(
    [report.state, report.actor, report.succeeded, report.failed, report.running],
    ['completed', 'anna', 1, 1, 0],
  );
  const [done, failed] = report.receipts;
  assert.deepEqual(
    [done!.disk.serial, done!.diskPath, done!.image, done!.version, done!.manifestId],
    ['D-pc-1', '/disks/pc-1', 'win11', 1, bench.manifest.id],
  );
  assert.deepEqual(
    [done!.chunks, done!.verifiedChunks, done!.castBytes, done!.httpBytes, done!.keptBytes],
    [200, 200, 150, 40, 10],
  );
  assert.deepEqual([done!.passes, done!.repairs, done!.parked, done!.attempt], [1, 1, 0, 1]);
  assert.deepEqual(
    [done!.startedAtMs, done!.readyAtMs, done!.receivedAtMs, done!.verifiedAtMs, done!.endedAtMs],
    [0, 1, 3, 4, 5].map((second) => beganMs + second * 1000),
  );
  assert.deepEqual([failed!.state, failed!.error, failed!.readyAtMs], ['failed', error, undefined]);
  await bench.restart();
  assert.deepEqual(bench.sessions.reports.session(sessionId), report, 'a restart changes no receipt');
});

test('the history of a host has every attempt, newest first', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const first = await deployOne(bench);
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  bench.sessions.changes.remove(sessionId, ['pc-2']);
  const added = { hosts: ['pc-2'], groups: [], skipRefused: false };
  const { planId } = await bench.sessions.changes.planAdd(sessionId, added);
  await bench.sessions.changes.add(sessionId, { ...added, planId });
  await bench.done('pc-2', []);
  const history = bench.sessions.reports.history('pc-2', 10);
  assert.deepEqual(
    history.map((receipt) => [receipt.sessionId, receipt.attempt, receipt.state, receipt.readyAtMs !== undefined]),
    [
      [sessionId, 2, 'ready', true],
      [sessionId, 1, 'cancelled', false],
      [first, 1, 'failed', false],
    ],
  );
  assert.deepEqual(
    bench.sessions.reports.session(sessionId).receipts.map(({ attempt }) => attempt),
    [1, 2],
    'a report has the last one of each host',
  );
  assert.throws(() => bench.sessions.reports.history('pc-9', 10), { code: 'HOST_UNKNOWN' });
  assert.throws(() => bench.sessions.reports.session(99), { code: 'SESSION_UNKNOWN' });
});
