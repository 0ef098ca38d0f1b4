import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identityOf } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import type { DeployResult } from '#protocol/task-result.ts';
import { letRun } from './held-clock.ts';
import { SessionBench } from './session-bench.ts';

test('a task with several disks is the same after a restart; when one disk fails, its result says what the others hold', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('dock');
  const { inventory } = bench.hosts.get('dock');
  const [first] = inventory!.disks;
  const second = { ...first!, path: '/disks/dock-2', serial: 'D-dock-2' };
  bench.hosts.hello(bench.hostId('dock'), { ...inventory!, disks: [first!, second] });
  const { sessionId, tasks } = await bench.deploy({ disk: 'each', delta: 'never' });
  assert.deepEqual(tasks[0]!.twins, [identityOf(second)]);
  bench.arrive('dock');
  await letRun();
  const order = bench.order('dock');
  assert.ok(order.kind === 'deploy');
  assert.deepEqual([order.disk, order.twins], [identityOf(first!), [{ disk: identityOf(second) }]]);
  await bench.restart();
  assert.equal(bench.order('dock').rev, order.rev, 'nothing of it is forgotten');

  for (const step of ['prepare', 'verify']) {
    assert.equal(bench.told('dock'), step);
    await bench.done('dock', []);
  }
  assert.equal(bench.told('dock'), 'finish');
  const done = { disk: { ...first!, content: 'ext4' }, castBytes: 1, httpBytes: 0, verifiedChunks: 4 };
  const values = { host: 'dock', count: 1, of: 2, rest: 'the other one is done', problems: 'x', disk: 'D-dock-2' };
  const error = knownError('DISKS_FAILED', values).toBody();
  const deployResult: DeployResult = { ...done, chunks: 4, disks: [done, { ...done, disk: second, error }] };
  bench.report('dock', { status: 'failed', error, deployResult });
  await letRun();
  const [task] = bench.sessions.view(sessionId).tasks;
  assert.deepEqual([task!.state, task!.error?.code, task!.deployResult], ['failed', 'DISKS_FAILED', deployResult]);
  const [receipt] = bench.sessions.reports.session(sessionId).receipts;
  assert.deepEqual([receipt!.twins, receipt!.disks], [[identityOf(second)], deployResult.disks]);
  const { disks } = bench.hosts.get('dock').inventory!;
  assert.equal(disks[0]!.content, 'ext4');
});
