import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { WipeRequest } from '#protocol/admin/wipe-api.ts';
import { identityOf } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { letRun } from './held-clock.ts';
import { SessionBench } from './session-bench.ts';

const request: WipeRequest = {
  ...{ hosts: ['pc-1', 'pc-2'], groups: [], disk: 'order=1', method: 'zeros' },
  ...{ onDone: 'poweroff', skipRefused: false },
};

async function wiping(t: TestContext): Promise<{ bench: SessionBench; sessionId: number }> {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.forget();
  const { planId } = bench.sessions.planWipe(request);
  const { sessionId } = bench.sessions.startWipe({ ...request, planId });
  await letRun();
  return { bench, sessionId };
}

function step(bench: SessionBench, name: string): string {
  const order = bench.order(name);
  return order.kind === 'wipe' ? `${order.kind} ${order.step} ${order.method}` : bench.told(name);
}

function wiped(bench: SessionBench, name: string): WipeResult {
  const disk = bench.hosts.get(name).inventory!.disks[0]!;
  const samples = { sampledBlocks: 258, sampleBytes: 1048576, emptyBlocks: 258 };
  return { disk: { ...disk, content: '' }, method: 'zeros', how: 'zeros were written', ...samples };
}

test('each host of a wipe checks its disk, then erases it without waiting for the others, across a restart', async (t) => {
  const { bench, sessionId } = await wiping(t);
  assert.deepEqual(bench.wakes, ['pc-1', 'pc-2']);
  bench.arrive('pc-1');
  assert.equal(step(bench, 'pc-1'), 'wipe check zeros');
  bench.report('pc-1', { status: 'done' });
  await letRun();
  assert.equal(step(bench, 'pc-1'), 'wipe wipe zeros');
  assert.match(bench.hosts.get('pc-1').inventory!.disks[0]!.content, /half-wiped by session/);
  await bench.restart();
  assert.equal(step(bench, 'pc-1'), 'wipe wipe zeros');
  const result = wiped(bench, 'pc-1');
  bench.report('pc-1', { status: 'done', wipeResult: result });
  await letRun();
  assert.equal(step(bench, 'pc-1'), 'release poweroff');
  assert.equal(bench.hosts.get('pc-1').inventory!.disks[0]!.content, '');
  bench.arrive('pc-2');
  bench.report('pc-2', { status: 'failed', error: { code: 'DISK_FROZEN', message: 'frozen', next: 'thaw it' } });
  await letRun();
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.kind, view.state, view.succeeded, view.failed], ['wipe', 'completed', 1, 1]);
  assert.deepEqual(view.tasks[0]!.wipeResult, result);
  assert.deepEqual([view.tasks[0]!.hasWritten, view.tasks[1]!.hasWritten], [true, undefined]);
  assert.equal(bench.casts.length, 0);
  const [receipt] = bench.sessions.reports.session(sessionId).receipts;
  assert.deepEqual([receipt!.kind, receipt!.wiped], ['wipe', result]);
});

test('a wipe of other disks than the admin saw is refused', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await letRun();
  const { planId } = bench.sessions.planWipe(request);
  assert.throws(() => bench.sessions.startWipe({ ...request, method: 'discard', hosts: ['pc-1'], planId }), {
    code: 'PLAN_CHANGED',
  });
  for (const disk of ['sda', ' ', 'serial=D-pc-1;', ';serial=D-pc-1']) {
    assert.throws(() => bench.sessions.planWipe({ ...request, disk }), { code: 'DISK_RULE_INVALID' }, disk);
  }
  const refused = bench.sessions.planWipe({ ...request, disk: 'transport=floppy' });
  assert.deepEqual(
    refused.hosts.map((host) => host.refused?.code),
    ['DISK_NONE', 'DISK_NONE'],
  );
});

test('a wipe that is cancelled stops at the host', async (t) => {
  const { bench, sessionId } = await wiping(t);
  bench.arrive('pc-1', 'pc-2');
  bench.report('pc-1', { status: 'done' });
  await letRun();
  await bench.sessions.cancel(sessionId);
  await letRun();
  assert.equal(bench.sessions.view(sessionId).state, 'cancelled');
  assert.match(step(bench, 'pc-1'), /^release/);
});

test('a host with several disks wipes them by one order; when one fails, what became of the others is kept', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('dock', 'pc-1');
  const { inventory } = bench.hosts.get('dock');
  const [first] = inventory!.disks;
  const second = { ...first!, path: '/disks/dock-2', serial: 'D-dock-2' };
  bench.hosts.hello(bench.hostId('dock'), { ...inventory!, disks: [first!, second] });
  await bench.forget();
  const each: WipeRequest = { ...request, hosts: ['dock', 'pc-1'], disk: 'each' };
  const plan = bench.sessions.planWipe(each);
  assert.deepEqual(
    plan.hosts.map(({ disk, twins = [] }) => [disk?.serial, ...twins.map((twin) => twin.disk.serial)]),
    [[first!.serial, 'D-dock-2'], ['D-pc-1']],
  );
  const list = bench.sessions.planWipe({ ...each, disk: `serial=D-dock-2; serial=${first!.serial}` });
  assert.deepEqual([list.hosts[0]!.disk?.serial, list.hosts[1]!.refused?.code], ['D-dock-2', 'DISK_NONE']);
  assert.notEqual(list.planId, plan.planId);

  const { sessionId } = bench.sessions.startWipe({ ...each, planId: plan.planId });
  bench.arrive('dock');
  await letRun();
  const order = bench.order('dock');
  assert.deepEqual(order.kind === 'wipe' && order.moreDisks, [identityOf(second)]);
  await bench.restart();
  bench.report('dock', { status: 'done' });
  await letRun();
  const contents = () => bench.hosts.get('dock').inventory!.disks.map(({ content }) => content);
  assert.ok(contents().every((content) => /half-wiped by session/.test(content)));
  const one = wiped(bench, 'dock');
  const error = knownError('WIPE_NOT_CLEAN', { host: 'dock', method: 'x', count: 1, disk: 'y', offset: 0 }).toBody();
  const wipeResult: WipeResult = {
    ...one,
    disks: [
      { disk: first!, error },
      { ...one, disk: second },
    ],
  };
  bench.report('dock', { status: 'failed', error, wipeResult });
  await letRun();
  const [task] = bench.sessions.view(sessionId).tasks;
  assert.deepEqual([task!.state, task!.wipeResult], ['failed', wipeResult]);
  assert.deepEqual(contents(), [`half-wiped by session ${sessionId}`, '']);
  await bench.restart();
  assert.deepEqual(bench.sessions.reports.session(sessionId).receipts[0]!.wiped, wipeResult);
});
