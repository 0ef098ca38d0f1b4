import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOfSession, renderReceipt } from '#cli/receipt.ts';
import { failure, session, succeeded, T0, task } from './sample-views.ts';

const ended = { endedAtMs: T0 + 310_000 };
const lost = failure('HOST_LOST', { host: 'pc-02', seconds: 300 });

test('the exit code is 0 only when the session is completed and every host succeeded', () => {
  const good = [succeeded('pc-01'), succeeded('pc-02')];
  assert.equal(exitCodeOfSession(session('completed', good)), 0);
  assert.equal(exitCodeOfSession(session('completed', [succeeded('pc-01'), task('pc-02', 'failed')])), 3);
  assert.equal(exitCodeOfSession(session('cancelled', [task('pc-01', 'cancelled')])), 3);
  assert.equal(exitCodeOfSession(session('failed', [])), 3);
  assert.equal(exitCodeOfSession(session('casting', good)), 3);
});

test('a receipt names each host, what was written and verified, and each failure with its next command', () => {
  const view = session('completed', [succeeded('pc-01'), task('pc-02', 'failed', lost)], ended);
  assert.deepEqual(renderReceipt(view, 0).split('\n'), [
    'HOST   RESULT  DISK                  WRITTEN  OVER HTTP  VERIFIED             TIME',
    'pc-01  done    Samsung 980 S64DNX0R  41.0 GB   100.0 MB  all 160,000 chunks  3m20s',
    'pc-02  failed  Samsung 980 S64DNX0R        -          -  -                       -',
    '',
    'pc-02 has not been heard of for 300 s',
    '  Next: Look at its screen; then deploy to it again',
    '',
    'Session 12 completed: 1 done (all verified), 1 failed, in 5m10s.',
  ]);
});

test('a host that did not read back every chunk is never called verified', () => {
  const whole = succeeded('pc-01');
  const partly = succeeded('pc-02', { deployResult: { ...whole.deployResult!, verifiedChunks: 159_999 } });
  const mixed = renderReceipt(session('completed', [whole, partly], ended), 0);
  assert.match(mixed, /159,999 of 160,000 chunks/);
  assert.match(mixed, /2 done \(only 1 verified\)/);
  const none = succeeded('pc-01', { deployResult: { ...whole.deployResult!, verifiedChunks: 0 } });
  const unverified = renderReceipt(session('completed', [none], { ...ended, verify: 'none' }), 0);
  assert.match(unverified, /0 of 160,000 chunks \(--verify none\)/);
  assert.match(unverified, /1 done \(NOT verified\)/);
});

test('a capture tells what it uploaded and what the admin should know', () => {
  const captureResult = {
    manifestId: 'ab'.repeat(32),
    usedBytes: 41e9,
    chunks: 160_000,
    uploadedChunks: 900,
    uploadedBytes: 70e6,
    version: 3,
    isNew: true,
    warnings: ['partition 4 was taken raw'],
  };
  const done = task('pc-07', 'succeeded', { startedAtMs: T0, endedAtMs: T0 + 90_000, captureResult });
  const text = renderReceipt(session('completed', [done], { ...ended, kind: 'capture' }), 0);
  assert.match(text, /pc-07 +done +Samsung 980 S64DNX0R +41\.0 GB +160,000 +70\.0 MB +1m30s/);
  assert.match(text, /Warning: partition 4 was taken raw/);
  assert.match(text, /It is version win11-lab@3\./);
  const unchanged = { ...done, captureResult: { ...captureResult, isNew: false } };
  assert.match(renderReceipt(session('completed', [unchanged], { ...ended, kind: 'capture' }), 0), /no new version/);
});

test('a reason that many hosts share is told once', () => {
  const stopped = (host: string) => ({
    ...failure('WAVES_STOPPED', { host, session: 12, reason: '1 host has failed up to wave 1 (the limit is 1)' }),
    wave: 2,
  });
  const tasks = ['pc-02', 'pc-03', 'pc-04'].map((name) => task(name, 'cancelled', stopped(name)));
  const text = renderReceipt(session('failed', tasks, { ...ended, wave: 1, waveCount: 2 }), 0);
  assert.equal(text.match(/was not touched/g)?.length, 1);
  assert.match(text, /^pc-02 was not touched: 1 host has failed .* \(and 2 more hosts\)$/m);
});

test('of a host with several disks the receipt says what became of each', () => {
  const whole = succeeded('pc-01').deployResult!;
  const { error } = failure('DISKS_FAILED', { host: 'pc-01', count: 1, of: 2, rest: 'x', problems: 'y', disk: 'W2' });
  const twin = { ...whole.disk, path: '/dev/sdb', serial: 'W2' };
  const disks = [whole, { ...whole, disk: twin, verifiedChunks: 3, error: error! }];
  const one = task('pc-01', 'failed', { error: error!, twins: [twin], deployResult: { ...whole, disks } });
  const text = renderReceipt(session('completed', [one], ended), 0);
  assert.match(text, /failed\s+Samsung 980 S64DNX0R and 1 more disk/);
  assert.match(
    text,
    /^Disks of pc-01:\n {2}done {4}\/dev\/\S+ Samsung.*all 160,000 chunks verified\n {2}FAILED {2}\/dev\/sdb .*: DISKS_FAILED$/m,
  );
});

test('a disk that took its part of an image of several is verified when all of that was', () => {
  const whole = succeeded('pc-01').deployResult!;
  const change = { partition: 2, filesystem: 'ext4', fromStartBytes: 0, startBytes: 0, fromBytes: 1, sizeBytes: 2 };
  const part = { ...whole, ownChunks: 600, verifiedChunks: 600, fitted: [{ ...change, check: 'clean' as const }] };
  const one = succeeded('pc-01', { deployResult: { ...whole, disks: [part, { ...part, ownChunks: 700 }] } });
  const text = renderReceipt(session('completed', [one], ended), 0);
  assert.match(text, /written, all 600 chunks verified\n.*written, 600 of 700 chunks verified$/m);
  assert.match(text, /: verified, then fitted: .*fsck clean$/m);
  assert.match(text, /: not verified; fitted: /);
});
