import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headlineOf, renderWatch } from '#cli/watch-view.ts';
import type { SessionView, TaskView } from '#protocol/admin/session-api.ts';
import { cast, failure, session, succeeded, T0, task } from './sample-views.ts';

const wide = { width: 120, height: 50 };

function texts(view: SessionView, size = wide, nowMs = T0 + 5000, notice?: string): string[] {
  return renderWatch(view, size, nowMs, notice).map((line) => line.text);
}

function progress(phase: string, doneBytes: number): Pick<TaskView, 'progress'> {
  return { progress: { phase, doneBytes, totalBytes: 1e9, bytesPerSecond: 1e8 } };
}

const casting = session(
  'casting',
  [
    succeeded('pc-01'),
    task('pc-02', 'receiving', progress('receive', 4.3e8)),
    task('pc-03', 'receiving', { ...progress('receive', 9e8), isLost: true }),
    task('pc-04', 'repairing', { ...progress('repair', 1e8), holes: 1204 }),
    task(
      'pc-05',
      'failed',
      failure('DISK_WRITE_FAILED', { host: 'pc-05', disk: '/dev/sda', offset: 4096, reason: 'EIO' }),
    ),
    task('pc-06', 'booting'),
  ],
  { casts: [cast({ sentBytes: 430e6, firstByteAtMs: T0 + 1000 })] },
);

test('a watch shows the pass, the counts and one line a host in the order of the plan', () => {
  assert.deepEqual(texts(casting), [
    'Session 12: deploy win11-lab@3 to 6 hosts, casting, 5s',
    'pass 1  [##########--------------]  43 %  107.5 MB/s  ETA 5s  430.0 MB of 1.0 GB sent to 2 hosts',
    '1 booting · 2 receiving · 1 repairing · 1 done · 1 failed; of these 1 parked, 1 lost; 1,204 holes',
    'pc-01  done       all 160,000 chunks verified  in 3m20s',
    'pc-02  receiving  [#######---------]   43 %  100.0 MB/s  ETA 6s',
    'pc-03  lost       no report; it was receiving',
    'pc-04  parked     [##--------------]   10 %  100.0 MB/s  ETA 9s  1,204 holes',
    'pc-05  failed     DISK_WRITE_FAILED: pc-05: writing /dev/sda at byte 4096 failed: EIO',
    'pc-06  booting',
  ]);
});

test('on a small screen failed and lost hosts come first and the others are counted', () => {
  assert.deepEqual(texts(casting, { width: 60, height: 7 }).slice(3), [
    'pc-05  failed     DISK_WRITE_FAILED: pc-05: writing /dev/sd…',
    'pc-03  lost       no report; it was receiving',
    '… and 4 more: 1 booting, 1 receiving, 1 repairing, 1 done',
  ]);
});

test('four hundred hosts never take more lines or columns than the terminal has', () => {
  const tasks = Array.from({ length: 400 }, (_, i) => task(`host-${i}`, 'receiving', progress('receive', i * 1e6)));
  tasks[250] = task('host-250', 'failed', failure('HOST_LOST', { host: 'host-250', seconds: 300 }));
  const many = session('casting', tasks, { casts: [cast()] });
  for (const height of [1, 2, 3, 4, 5, 24, 50, 500]) {
    for (const width of [1, 20, 40, 79, 80, 200]) {
      const lines = texts(many, { width, height });
      assert.ok(lines.length <= Math.max(1, height - 1), `${lines.length} lines of ${height}`);
      for (const line of lines) assert.ok(line.length <= width, line);
    }
  }
  const lines = texts(many, { width: 80, height: 24 });
  assert.match(lines[3]!, /^host-250 {2}failed/);
  // The least far next.
  assert.match(lines[4]!, /^host-0 /);
  assert.equal(lines.at(-1), '… and 381 more: 381 receiving');
});

test('while it gathers, a watch says how many are ready and what starts the cast', () => {
  const view = session('gathering', [task('pc-01', 'ready'), task('pc-02', 'booting')], {
    start: { when: 'count', count: 2, deadlineS: 600, atLeast: 1 },
  });
  assert.equal(texts(view)[1], '1 of 2 hosts ready; starts when 2 are ready, or after 10m00s if at least 1 are ready');
});

test('after the cast, the totals are those of the step that most hosts are at', () => {
  const view = session('finishing', [
    task('pc-01', 'verifying', progress('verify', 5e8)),
    task('pc-02', 'verifying', progress('verify', 7e8)),
    task('pc-03', 'repairing', progress('repair', 1e8)),
  ]);
  assert.equal(
    texts(view)[1],
    'verify  [##############----------]  60 %  200.0 MB/s  ETA 4s  1.2 GB of 2.0 GB on 2 hosts',
  );
});

test('progress of an earlier step is not shown as progress of this one', () => {
  const view = session('casting', [task('pc-01', 'receiving', progress('prepare', 1e9))], { casts: [cast()] });
  assert.equal(texts(view)[3], 'pc-01  receiving');
});

test('a host is not parked when no pass runs', () => {
  const view = session('gathering', [task('pc-01', 'ready', { holes: 7 })]);
  assert.equal(texts(view)[3], 'pc-01  ready      7 holes');
});

test('a notice takes the place of the totals', () => {
  assert.equal(texts(casting, wide, T0, 'the daemon is away, waiting…')[1], 'the daemon is away, waiting…');
});

test('a capture shows what the agent does', () => {
  const capturing = task('pc-07', 'capturing', progress('upload', 5e8));
  const view = session('capturing', [capturing], { kind: 'capture', version: undefined as never });
  delete (view as { version?: number }).version;
  assert.deepEqual(texts(view).slice(0, 1), ['Session 12: capture win11-lab from pc-07, capturing, 5s']);
  assert.equal(texts(view)[3], 'pc-07  capturing  upload  [########--------]   50 %  100.0 MB/s  ETA 5s');
});

test('what a host says of itself cannot steer the terminal', () => {
  const bad = { code: 'AGENT_FAILED' as const, message: 'pc-01: \x1b[2J\x07boom\r\nx', next: '' };
  const view = session('casting', [task('pc-01', 'failed', { error: bad })]);
  assert.equal(texts(view)[3], 'pc-01  failed     AGENT_FAILED: pc-01:  boom x');
});

test('hosts that hash their disks show how far they are, and all together when the last is through', () => {
  const view = session('gathering', [
    task('pc-01', 'ready', { holes: 7 }),
    task('pc-02', 'preparing', progress('hash', 2e8)),
    task('pc-03', 'preparing', progress('hash', 6e8)),
  ]);
  const [, totals, , , second] = texts(view);
  assert.equal(totals, '1 of 3 hosts ready; 2 hosts hashing, 40 %, ETA 8s; starts when all are ready');
  assert.equal(second, 'pc-02  preparing  hash  [###-------------]   20 %  100.0 MB/s  ETA 8s');
});

test('the headline says which wave is under way', () => {
  const waves = { wave: 2, waveCount: 3 };
  const view = session('casting', [task('pc-01', 'succeeded'), task('pc-02', 'receiving')], waves);
  assert.equal(headlineOf(view), 'Session 12: deploy win11-lab@3 to 2 hosts, wave 2 of 3 casting');
  assert.match(headlineOf(session('completed', [], waves)), /, completed$/);
});
