import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AuditResult } from '#protocol/drift.ts';
import { letRun } from './held-clock.ts';
import { SessionBench } from './session-bench.ts';

async function audited(t: TestContext): Promise<{ bench: SessionBench; sessionId: number }> {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.forget();
  const { sessionId } = await bench.deploy({ audit: true });
  return { bench, sessionId };
}

function found(bench: SessionBench, name: string, differingChunks: number): AuditResult {
  const order = bench.order(name);
  assert.ok(order.kind === 'audit');
  const amounts = { chunks: 200, differingChunks, bytes: 2000, differingBytes: differingChunks * 10 };
  return { disk: order.disk, layoutDiffers: false, ...amounts, volumes: [{ kind: 'disk', ...amounts }] };
}

test('an audit wakes its hosts, lets them read, keeps what they find, and never casts', async (t) => {
  const { bench, sessionId } = await audited(t);
  assert.deepEqual(bench.wakes, ['pc-1', 'pc-2']);
  bench.arrive('pc-1', 'pc-2');
  assert.equal(bench.told('pc-1'), 'audit');
  const result = found(bench, 'pc-1', 7);
  bench.report('pc-1', { status: 'done', auditResult: result });
  await letRun();
  assert.equal(bench.told('pc-1'), 'release reboot');
  await bench.restart();
  bench.arrive('pc-2');
  bench.report('pc-2', { status: 'done', auditResult: found(bench, 'pc-2', 0) });
  await letRun();
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.state, view.audit, view.succeeded], ['completed', true, 2]);
  assert.deepEqual(view.tasks[0]!.auditResult, result);
  assert.equal(bench.casts.length, 0);
  const [receipt] = bench.sessions.reports.session(sessionId).receipts;
  assert.deepEqual([receipt!.audit, receipt!.drift?.differingChunks], [true, 7]);
});

test('what the server knows of a disk is the same after an audit', async (t) => {
  const { bench } = await audited(t);
  bench.arrive('pc-1');
  const before = bench.hosts.get('pc-1').inventory!.disks;
  bench.report('pc-1', { status: 'done', auditResult: found(bench, 'pc-1', 7) });
  await letRun();
  assert.deepEqual(bench.hosts.get('pc-1').inventory!.disks, before);
});

test('a disk that cannot be read fails its task, and the other host is read', async (t) => {
  const { bench, sessionId } = await audited(t);
  bench.arrive('pc-1', 'pc-2');
  bench.report('pc-1', { status: 'failed', error: { code: 'DISK_CHANGED', message: 'gone', next: 'plan' } });
  bench.report('pc-2', { status: 'done', auditResult: found(bench, 'pc-2', 0) });
  await letRun();
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.state, view.succeeded, view.failed], ['completed', 1, 1]);
});

test('an audit gives a disk nothing, so the next plan knows no more of it than before', async (t) => {
  const { bench, sessionId } = await audited(t);
  bench.arrive('pc-1', 'pc-2');
  for (const name of ['pc-1', 'pc-2']) bench.report(name, { status: 'done', auditResult: found(bench, name, 0) });
  await letRun();
  assert.equal(bench.state(sessionId), 'completed');
  const { hosts } = await bench.sessions.planDeploy(bench.request());
  assert.deepEqual(
    hosts.map(({ delta }) => delta?.because),
    ['nothing is known of its disk', 'nothing is known of its disk'],
  );
});
