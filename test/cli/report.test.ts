import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Receipt, SessionReport } from '#protocol/admin/receipt-api.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';
import { cast, disk, failure, T0 } from './sample-views.ts';

function receipt(host: string, state: Receipt['state'], more: Partial<Receipt> = {}): Receipt {
  return {
    ...{ sessionId: 12, kind: 'deploy', image: 'win11-lab', version: 3, verify: 'full' },
    ...{ taskId: 1, hostId: 1, host, state, disk, attempt: 1, passes: 0, repairs: 0, parked: 0 },
    ...more,
  };
}

const done = receipt('pc-01', 'succeeded', {
  ...{
    startedAtMs: T0,
    readyAtMs: T0 + 5000,
    receivedAtMs: T0 + 65_000,
    verifiedAtMs: T0 + 95_000,
    endedAtMs: T0 + 99_000,
  },
  ...{ chunks: 160_000, verifiedChunks: 160_000, castBytes: 40e9, httpBytes: 1e6, keptBytes: 2e9 },
  ...{ passes: 2, repairs: 1, parked: 1 },
});
const lost = receipt('pc-02', 'failed', { passes: 1, ...failure('HOST_LOST', { host: 'pc-02', seconds: 300 }) });
const report: SessionReport = {
  ...{ sessionId: 12, kind: 'deploy', image: 'win11-lab', version: 3, manifestId: 'ab'.repeat(32), verify: 'full' },
  ...{ state: 'completed', actor: 'schedule nightly', createdAtMs: T0, endedAtMs: T0 + 120_000 },
  ...{ succeeded: 1, failed: 1, cancelled: 0, running: 0, casts: [cast()], receipts: [done, lost] },
};

async function daemonWith(t: Parameters<typeof FakeDaemon.start>[0]): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start(t);
  return daemon
    .on('GET /sessions/12/report', 'report', () => report)
    .on('GET /hosts/pc-01/history', 'receipts', () => [done]);
}

test('the report says what became of each host, which failed, why, and the next command', async (t) => {
  const daemon = await daemonWith(t);
  const { code, out } = await runCli(['--socket', daemon.socket, 'session', 'report', '12']);
  assert.equal(code, 0);
  assert.match(out, /^Session 12: deploy win11-lab@3, completed\.$/m);
  assert.match(out, / by schedule nightly, took 2m00s, 1 cast\.$/m);
  assert.match(out, /^1 done \(all verified\), 1 failed\.$/m);
  assert.match(
    out,
    /^pc-01 +done +Samsung 980 S64DNX0R +all 160,000 +40\.0 GB +1\.0 MB +2\.0 GB +2 \+1 HTTP parked 1× +5s +1m00s +30s +1m39s$/m,
  );
  assert.match(out, /^pc-02 +failed HOST_LOST /m);
  assert.match(out, /^pc-02 has not been heard of for 300 s\n {2}Next: /m);
});

test('the report as CSV has a line for each host, times in ISO 8601, and reasons with their commas', async (t) => {
  const daemon = await daemonWith(t);
  const { out } = await runCli(['--socket', daemon.socket, 'session', 'report', '12', '--csv']);
  const [head, first, second, end] = out.split('\r\n');
  assert.match(head!, /^session,host,result,attempt,wave,image,version,manifest,disk_model,disk_serial,/);
  assert.match(first!, /^12,pc-01,succeeded,1,,win11-lab,3,,Samsung 980,S64DNX0R,/);
  assert.match(first!, /,2026-11-22T03:00:00\.000Z,2026-11-22T03:00:05\.000Z,/);
  assert.match(second!, /,HOST_LOST,pc-02 has not been heard of for 300 s,/);
  assert.equal(end, '');
  const both = await runCli(['--socket', daemon.socket, '--json', 'session', 'report', '12', '--csv']);
  assert.equal(both.code, 2);
});

test('the history of a host names the session and the image of each line', async (t) => {
  const daemon = await daemonWith(t);
  const { out } = await runCli(['--socket', daemon.socket, 'host', 'history', 'pc-01', '-n', '5']);
  assert.match(out, /^12 +\S+ \S+ +deploy +win11-lab@3 +done /m);
  assert.match(daemon.calls[0]!.path, /limit=5$/);
});
