import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeChanges } from '#cli/watch-log.ts';
import { cast, failure, session, T0, task } from './sample-views.ts';

test('the first look says where the session stands and who has failed already', () => {
  const view = session('casting', [
    task('pc-01', 'receiving'),
    task('pc-02', 'failed', failure('HOST_DID_NOT_COME', { host: 'pc-02', seconds: 900 })),
  ]);
  assert.deepEqual(describeChanges(undefined, view), [
    'Session 12: deploy win11-lab@3 to 2 hosts, casting',
    'pc-02: failed: pc-02 did not boot the agent within 900 s',
  ]);
});

test('progress alone is no change', () => {
  const at = (doneBytes: number) =>
    session(
      'casting',
      [task('pc-01', 'receiving', { progress: { phase: 'receive', doneBytes, totalBytes: 9, bytesPerSecond: 1 } })],
      { casts: [cast({ sentBytes: doneBytes })] },
    );
  assert.deepEqual(describeChanges(at(1), at(5)), []);
});

test('each move, pass, loss and return is one line', () => {
  const before = session('gathering', [
    task('pc-01', 'ready'),
    task('pc-02', 'receiving', { isLost: false }),
    task('pc-03', 'receiving', { isLost: true }),
    task('pc-04', 'verifying'),
  ]);
  const error = failure('VERIFY_FAILED', { host: 'pc-04', count: 3, disk: '/dev/sda', tries: 3 });
  const after = session(
    'casting',
    [
      task('pc-01', 'receiving'),
      task('pc-02', 'receiving', { isLost: true }),
      task('pc-03', 'receiving'),
      task('pc-04', 'failed', error),
    ],
    { casts: [cast()] },
  );
  assert.deepEqual(describeChanges(before, after), [
    'Session 12: gathering → casting',
    'pass 1 begins: 1.0 GB to 2 hosts',
    'pc-01: ready → receiving',
    'pc-02: lost, it does not report',
    'pc-03: heard of again',
    'pc-04: verifying → failed: pc-04: 3 chunks on /dev/sda read back wrong even after 3 repairs  Next: The disk or its cable is failing: replace it and deploy again',
  ]);
  const ended = {
    ...after,
    casts: [cast({ sentBytes: 1e9, firstByteAtMs: T0, endedAtMs: T0 + 10_000, retransmits: 2 })],
  };
  assert.deepEqual(describeChanges(after, ended), ['pass 1 ended: 1.0 GB in 10s (100.0 MB/s), 2 retransmits']);
});
