import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { exitCodeOfSession, renderReceipt } from '#cli/receipt.ts';
import { renderReport } from '#cli/report-view.ts';
import { headlineOf } from '#cli/watch-view.ts';
import type { AuditResult } from '#protocol/drift.ts';
import { knownError } from '#protocol/errors.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';
import { disk, failure, host, plan, planHost, session, task } from './sample-views.ts';

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

/** An audit of two disks, of which the second one's result is given. */
function auditOfTwo(state: 'succeeded' | 'failed', second: NonNullable<AuditResult['disks']>[number]) {
  const first = { ...found(0), disk: { ...auditedDisk, path: '/dev/sda' } };
  const sums = 'error' in second ? found(0) : { ...found(0), differingChunks: second.differingChunks };
  const auditResult = { ...sums, disks: [first, second] };
  return task('dock', state, { auditResult, twins: [disk] });
}

const auditedDisk = {
  ...{ ...disk, path: '/dev/sdb', transport: 'sata', content: '' },
  ...{ removable: false, readOnly: false, inUse: false },
};

test('of a host with several disks an audit says of each whether it differs, or why it could not be read', () => {
  const differs = auditOfTwo('succeeded', { ...found(20), disk: auditedDisk });
  const view = session('completed', [differs], { audit: true });
  const text = renderReceipt(view, 0);
  assert.match(
    text,
    /^dock +equal +\/dev\/sda Samsung 980 S64DNX0R \(256\.1 GB\) +1,000 +0 .*\n- +differs +\/dev\/sdb .* +20 +2\.0 %/m,
  );
  assert.match(text, /1 done \(0 equal, 1 differs\)/);
  assert.equal(exitCodeOfSession(view), 3);
  const { error } = failure('DISK_READ_FAILED', { disk: '/dev/sdb', offset: 0, reason: 'EIO' });
  const failed = auditOfTwo('failed', { disk: auditedDisk, error });
  assert.match(
    renderReceipt(session('failed', [failed], { audit: true }), 0),
    /^dock +equal +\/dev\/sda .*\n- +failed DISK_READ_FAILED +\/dev\/sdb /m,
  );
  const receipt = {
    passes: 0,
    repairs: 0,
    parked: 0,
    attempt: 1,
    wave: 1,
    sessionId: 1,
    kind: 'deploy',
    image: 'x',
  } as const;
  const receipts = [differs, failed].map((one) => ({
    ...one,
    ...receipt,
    audit: true as const,
    drift: one.auditResult!,
  }));
  const report = { ...view, cancelled: 0, running: 0, casts: [], receipts };
  const page = renderReport(report, 0);
  assert.match(page, /Disks of dock:\n {2}equal {4}\/dev\/sda .*\n {2}differs {2}\/dev\/sdb .*: 20 of 1,000 differ$/m);
  assert.match(page, /^ {2}FAILED {3}\/dev\/sdb .*: DISK_READ_FAILED$/m);
});

test('a volume that has something where it held zeros differs, and says how much', () => {
  const drift = found(0);
  const [volume] = drift.volumes;
  const view = auditOf({ ...drift, strayBytes: 8192, volumes: [{ ...volume!, strayBytes: 8192 }] });
  const text = renderReceipt(view, 0);
  assert.match(text, /^pc-01 +differs .*\n.* partition 2 \(ntfs\), was zeros .* 8\.2 kB$/m);
  assert.equal(exitCodeOfSession(view), 3);
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
