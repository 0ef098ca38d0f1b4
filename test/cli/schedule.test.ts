import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { NewSchedule, ScheduleRun, ScheduleView } from '#protocol/admin/schedule-api.ts';
import { knownError } from '#protocol/errors.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';
import { plan, planHost, T0 } from './sample-views.ts';

const HOUR_MS = 3_600_000;

const order: NewSchedule = {
  name: 'nightly',
  cron: '0 2 * * 1-5',
  tz: 'Europe/Berlin',
  until: '06:00',
  deploy: {
    image: 'win11-lab',
    hosts: [],
    groups: ['room-101'],
    disk: 'size>100G',
    start: { when: 'all' },
    mode: 'multicast',
    verify: 'full',
    onDone: 'reboot',
    onFailure: 'stay',
    wakeWave: 10,
    skipRefused: false,
  },
};

const run: ScheduleRun = {
  runId: 4,
  schedule: 'nightly',
  state: 'ended',
  kind: 'time',
  isRest: false,
  dueMs: T0 - 2 * HOUR_MS,
  startedMs: T0 - 2 * HOUR_MS,
  endedMs: T0 - HOUR_MS,
  sessionId: 12,
  succeeded: 41,
  failed: 0,
  leftOut: [{ host: 'pc-02', reason: 'it is in use: alice' }],
  leftOver: [{ hostId: 3, host: 'pc-03', hasWritten: true }],
  text: '41 done, 0 failed; left out: pc-02',
};

const view: ScheduleView = {
  ...order,
  tz: 'Europe/Berlin',
  state: 'active',
  createdMs: T0,
  nextMs: T0 + 22 * HOUR_MS,
  lastRun: run,
};

async function daemonWith(t: TestContext): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start(t);
  const preview = {
    tz: 'Europe/Berlin',
    times: [{ dueMs: T0 + 22 * HOUR_MS, untilMs: T0 + 26 * HOUR_MS }],
    plan: plan([planHost('pc-01')]),
    warnings: ['pc-02 would be left out if it began now: The host pc-02 is not approved yet'],
  };
  return daemon
    .on('POST /plans/schedule', 'schedulePreview', () => preview)
    .on('POST /schedules', 'schedule', () => view)
    .on('GET /schedules', 'schedules', () => [view])
    .on('GET /schedules/nightly', 'schedule', () => view)
    .on('GET /schedules/nightly/runs', 'scheduleRuns', () => [run])
    .on('POST /schedules/nightly/run', 'scheduleRun', () => ({ ...run, state: 'running', text: 'begins: session 12' }))
    .on('POST /schedules/nightly/pause', 'schedule', () => ({ ...view, state: 'paused' }))
    .on('POST /schedules/nightly/resume', 'schedule', () => view)
    .on('DELETE /schedules/nightly', 'nothing', () => undefined);
}

const when = ['--cron', '0 2 * * 1-5', '--tz', 'Europe/Berlin', '--until', '06:00'];
const what = ['--', 'deploy', 'win11-lab', '--group', 'room-101', '--disk', 'size>100G', '--wake-wave', '10'];
const schedule = (daemon: FakeDaemon, ...args: string[]) => runCli(['--socket', daemon.socket, 'schedule', ...args]);

test('schedule add shows plan, times and warnings, then adds exactly that', async (t) => {
  const daemon = await daemonWith(t);
  const result = await schedule(daemon, 'add', 'nightly', '--yes', ...when, ...what);
  assert.equal(result.code, 0, result.err);
  assert.match(result.out, /^Plan: win11-lab@3/);
  assert.match(result.out, /Times: +2026-11-23 02:00 until 2026-11-23 06:00/);
  assert.match(result.out, /Warning: pc-02 would be left out if it began now/);
  assert.match(result.out, /Schedule nightly added\./);
  assert.deepEqual(
    daemon.calls.map((call) => call.path),
    ['/plans/schedule', '/schedules'],
  );
  for (const { body } of daemon.calls) assert.partialDeepStrictEqual(body, order);
});

test('a dry run adds nothing and ends with 11 when something is warned of', async (t) => {
  const daemon = await daemonWith(t);
  assert.equal((await schedule(daemon, 'add', 'nightly', '--dry-run', ...when, ...what)).code, 11);
  assert.deepEqual(
    daemon.calls.map((call) => call.path),
    ['/plans/schedule'],
  );
});

test('without a terminal and without --yes nothing is asked of the daemon', async (t) => {
  const daemon = await daemonWith(t);
  const result = await schedule(daemon, 'add', 'nightly', ...when, ...what);
  assert.equal(result.code, 2);
  assert.match(result.err, /give --yes/);
  assert.equal(daemon.calls.length, 0);
});

test('what stands after -- must be a deployment that needs nobody', async (t) => {
  const daemon = await daemonWith(t);
  const add = async (...words: string[]) => {
    const { code, err } = await schedule(daemon, 'add', 'nightly', '--yes', ...when, '--', ...words);
    assert.equal(code, 2);
    return err;
  };
  assert.match(await add('capture', 'pc-01'), /Say after -- what to do: -- deploy IMAGE/);
  assert.match(await add('deploy', 'win11-lab', '--group', 'g', '--watch'), /--watch has no meaning/);
  assert.match(await add('deploy', 'win11-lab', '--group', 'g', '--nope'), /deploy: unknown option '--nope'/);
  assert.match(await add('deploy', 'win11-lab'), /No host is named/);
  assert.match(await add('deploy', 'win11-lab', '--group', 'g', '--start', 'soon'), /soon is not a start policy/);
});

test('list, show and history say when it runs in its own time zone, and what became of it', async (t) => {
  const daemon = await daemonWith(t);
  const list = await schedule(daemon, 'list');
  assert.match(
    list.out,
    /nightly +active +0 2 \* \* 1-5 +Europe\/Berlin +06:00 +2026-11-23 02:00 +deploy win11-lab --group room-101/,
  );
  const shown = (await schedule(daemon, 'show', 'nightly')).out;
  assert.match(shown, /Window: +until 06:00; hosts that write then have 1h00m more/);
  assert.match(shown, /Missed: +run late while the window is open, else skipped/);
  assert.match(shown, /Left out: +pc-02: it is in use: alice/);
  assert.match(shown, /Left over: +pc-03 \(half written\)/);
  const history = (await schedule(daemon, 'history', 'nightly')).out;
  assert.match(history, /4 +2026-11-22 02:00 +time +ended +12 +1h00m +41 +0 +1 +41 done, 0 failed; left out: pc-02/);
  assert.deepEqual(JSON.parse((await schedule(daemon, 'history', 'nightly', '--json')).out), [run]);
});

test('run, pause, resume and remove say what they did', async (t) => {
  const daemon = await daemonWith(t);
  assert.match(
    (await schedule(daemon, 'run', 'nightly')).out,
    /begins: session 12\.\n {2}Watch: fleetcast session watch 12/,
  );
  assert.equal((await schedule(daemon, 'pause', 'nightly')).out, 'Schedule nightly is paused.\n');
  assert.equal((await schedule(daemon, 'resume', 'nightly')).out, 'Schedule nightly is active.\n');
  assert.equal((await schedule(daemon, 'remove', 'nightly')).out, 'Schedule nightly removed.\n');
});

test('a run that could not begin ends with 11, an unknown schedule with its next command', async (t) => {
  const daemon = await daemonWith(t);
  const { sessionId: _none, ...skipped } = run;
  daemon.on('POST /schedules/nightly/run', 'scheduleRun', () => ({
    ...skipped,
    state: 'skipped',
    text: 'no host is idle',
  }));
  const result = await schedule(daemon, 'run', 'nightly');
  assert.deepEqual([result.code, result.out], [11, 'Schedule nightly: no host is idle.\n']);
  daemon.onRaw('GET /schedules/other', () => {
    throw knownError('SCHEDULE_UNKNOWN', { schedule: 'other' });
  });
  const unknown = await schedule(daemon, 'show', 'other');
  assert.match(unknown.err, /There is no schedule other\n {2}Next: fleetcast schedule list/);
});
