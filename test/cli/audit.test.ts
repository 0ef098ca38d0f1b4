import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { exitCodeOfSession, renderReceipt } from '#cli/receipt.ts';
import { headlineOf } from '#cli/watch-view.ts';
import type { AuditResult } from '#protocol/drift.ts';
import { knownError } from '#protocol/errors.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';
import { disk, host, plan, planHost, session, task } from './sample-views.ts';

function found(differingChunks: number, layoutDiffers = false): AuditResult {
  const amounts = { chunks: 1000, differingChunks, bytes: 1e9, differingBytes: differingChunks * 1e6 };
  const volume = { kind: 'partition' as const, partition: 2, filesystem: 'ntfs', ...amounts };
  return { disk, layoutDiffers, ...amounts, volumes: [volume] };
}

function auditOf(...results: AuditResult[]) {
  const tasks = results.map((auditResult, i) => task(`pc-0${i + 1}`, 'succeeded', { auditResult }));
  return session('completed', tasks, { audit: true });
}

test('an audit says for each host whether its disk differs, where, and by how much', () => {
  const view = auditOf(found(0), found(20), found(0, true));
  const text = renderReceipt(view, 0);
  assert.match(text, /^pc-01 +equal +Samsung 980 S64DNX0R +1,000 +0 +0\.0 % +0 B$/m);
  assert.match(text, /^pc-02 +differs +Samsung 980 S64DNX0R +1,000 +20 +2\.0 % +20\.0 MB$/m);
  assert.match(text, /partition 2 \(ntfs\) +1,000 +20 +2\.0 %/);
  assert.match(text, /^pc-03 +differs \(partition table too\)/m);
  assert.match(text, /3 done \(1 equal, 2 differ\)/);
  assert.match(headlineOf(view), /: audit win11-lab@3 to 3 hosts/);
});

test('the exit code of an audit is 0 when all are equal, and 3 when any differs or was not read', () => {
  assert.equal(exitCodeOfSession(auditOf(found(0), found(0))), 0);
  assert.equal(exitCodeOfSession(auditOf(found(0), found(1))), 3);
  assert.equal(exitCodeOfSession(auditOf(found(0, true))), 3);
  assert.equal(exitCodeOfSession(session('completed', [task('pc-01', 'failed')], { audit: true })), 3);
});

async function daemonWith(t: TestContext): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start(t);
  return daemon
    .on('POST /plans/deploy', 'plan', () => plan([planHost('pc-01')]))
    .on('POST /sessions/deploy', 'session', () => session('gathering', [task('pc-01', 'booting')], { audit: true }));
}

test('audit asks for a session that only compares, and asks nobody: nothing is written', async (t) => {
  const daemon = await daemonWith(t);
  daemon.on('GET /groups', 'groups', () => []);
  const words = ['audit', 'pc-01', '--image', 'win11-lab@3', '--on-done', 'stay', '--no-watch'];
  const result = await runCli(['--socket', daemon.socket, ...words]);
  assert.equal(result.code, 0, result.err);
  const body = daemon.calls.at(-1)!.body as Record<string, unknown>;
  assert.deepEqual([body.audit, body.image, body.hosts, body.planId], [true, 'win11-lab@3', ['pc-01'], 'plan-1']);
  assert.equal((await runCli(['--socket', daemon.socket, 'audit', '--image', 'x'])).code, 2);
});

test('a name that is no host is taken for a group', async (t) => {
  const daemon = await FakeDaemon.start(t);
  let asked: unknown;
  daemon
    .on('GET /groups', 'groups', () => [
      { name: 'room', hosts: ['pc-01', 'pc-02'] },
      { name: 'pc-03', hosts: ['pc-01'] },
    ])
    .on('GET /hosts', 'hosts', () => [host('pc-01'), host('pc-02'), host('pc-03')])
    .onRaw('POST /plans/deploy', (call) => {
      asked = call.body;
      throw knownError('IMAGE_UNKNOWN', { image: 'win11' });
    });
  await runCli(['audit', 'room', 'pc-03', '--image', 'win11', '--socket', daemon.socket]);
  assert.deepEqual((asked as { hosts: string[] }).hosts, ['pc-03', 'pc-01', 'pc-02']);
});
