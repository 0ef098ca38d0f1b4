import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { NewSchedule } from '#protocol/admin/schedule-api.ts';
import { knownError } from '#protocol/errors.ts';
import { Schedules } from '#server/schedules/schedules.ts';
import { silentLogger } from '#system/log.ts';
import { letRun } from '../sessions/held-clock.ts';
import { SessionBench } from '../sessions/session-bench.ts';

/** A time of the 22nd of November 2026, when the clock of the bench stands at midnight; `day` 1 is the 23rd. */
const at = (time: string, day = 0) => Date.parse(`2026-11-${22 + day}T${time}:00Z`);

/** Schedules over real sessions, a real database and a held clock. */
class ScheduleBench extends SessionBench {
  schedules!: Schedules;
  isPruning = false;

  constructor(t: TestContext, ...hosts: string[]) {
    super(t);
    this.config.schedule.hooksDir = join(this.config.daemon.dataDir, 'hooks');
    this.addHosts(...hosts);
    this.openSchedules();
    t.after(() => this.schedules.runs.stop());
  }

  openSchedules(): void {
    const { database, config, hosts, events, sessions, clock } = this;
    this.schedules = new Schedules({
      ...{ database, config, hosts, events, sessions, clock, catalog: this.catalog(), log: silentLogger },
      requireNoPrune: () => {
        if (this.isPruning) throw knownError('STORE_PRUNING');
      },
    });
    this.schedules.runs.resume();
  }

  /** The daemon is killed, and comes back at another time. */
  async deadUntil(timeMs: number): Promise<void> {
    // A dead process does nothing more: it must not look at the clock that goes on.
    await this.schedules.runs.stop();
    await this.restart();
    await this.clock.leap(timeMs - this.clock.nowMs());
    this.openSchedules();
    await this.advance(2);
  }

  async add(fields: Partial<NewSchedule> = {}, hosts: string[] = []): Promise<void> {
    const deploy = this.request({ groups: [], ...(hosts.length > 0 ? { hosts } : {}) });
    const when = fields.at === undefined ? { cron: '0 2 * * *' } : {};
    await this.schedules.add({ name: 'nightly', tz: 'UTC', ...when, deploy, ...fields });
  }

  /** Lets every open promise of a start run too: a plan takes several turns. */
  async advance(seconds: number): Promise<void> {
    await this.clock.advance(seconds);
    for (let i = 0; i < 5; i++) await letRun();
  }

  /** Nothing happens until just before a time of the schedule; then its run begins. */
  async untilTime(timeMs: number): Promise<void> {
    await this.clock.leap(timeMs - 1000 - this.clock.nowMs());
    await this.advance(3);
  }

  /** These hosts go on working while time passes. */
  async workUntil(timeMs: number, ...names: string[]): Promise<void> {
    while (this.clock.nowMs() < timeMs) {
      this.heartbeat(...names);
      await this.clock.advance(Math.min(10, (timeMs - this.clock.nowMs()) / 1000));
    }
    await this.advance(2);
  }

  history(): string[] {
    return this.schedules.history('nightly', 50).map((run) => `${run.state}: ${run.text}`);
  }

  /** These hosts do whatever they are told, until they are told nothing more. */
  async finish(...names: string[]): Promise<void> {
    for (let round = 0; round < 6; round++) {
      for (const name of names) {
        const told = this.told(name);
        if (['prepare', 'receive', 'repair', 'verify'].includes(told)) await this.done(name, []);
        else if (told === 'finish') await this.done(name);
      }
    }
    await this.advance(2);
  }

  hook(name: string, text: string): void {
    const folder = this.config.schedule.hooksDir;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
}

test('at its time a schedule wakes its hosts, deploys to them, and the history says so', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1', 'pc-2');
  await bench.add();
  await bench.clock.leap(at('01:59') - bench.clock.nowMs());
  assert.deepEqual(bench.history(), []);
  await bench.untilTime(at('02:00'));
  assert.deepEqual(bench.history(), ['running: begins: session 1']);
  assert.deepEqual([...new Set(bench.wakes)].sort(), ['pc-1', 'pc-2']);
  bench.arrive('pc-1', 'pc-2');
  await bench.finish('pc-1', 'pc-2');
  assert.deepEqual(bench.history(), ['ended: 2 done, 0 failed']);
  const [run] = bench.schedules.history('nightly', 1);
  assert.deepEqual([run?.sessionId, run?.dueMs, run?.kind], [1, at('02:00'), 'time']);
  assert.equal(bench.schedules.view('nightly').nextMs, at('02:00', 1));
  const events = bench.events.list({ limit: 1000 }).filter((event) => event.subject === 'schedule');
  assert.deepEqual(
    events.map(({ text, actor }) => [text, actor]),
    [
      ['Schedule nightly: was added: win11, 0 2 * * * UTC', undefined],
      ['Schedule nightly: begins: session 1', 'schedule nightly'],
      ['Schedule nightly: 2 done, 0 failed', 'schedule nightly'],
    ],
  );
  const created = bench.events.list({ limit: 1000 }).find((event) => event.action === 'created');
  assert.equal(created?.actor, 'schedule nightly');
});

test('a time that comes while the run before still runs is skipped, and the history says why', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add({ cron: '0,5,10 2 * * *' });
  await bench.untilTime(at('02:00'));
  await bench.untilTime(at('02:05'));
  assert.deepEqual(bench.history().slice(0, 2), [
    'skipped: the run before has not ended',
    'running: begins: session 1',
  ]);
});

test('a host that another session has is left out and named; without any host the run is skipped', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1', 'pc-2');
  await bench.add({ cron: '5,10 2 * * *' });
  await bench.clock.leap(at('02:04') - bench.clock.nowMs());
  const other = await bench.deploy({ hosts: ['pc-2'] });
  await bench.untilTime(at('02:05'));
  const [run] = bench.schedules.history('nightly', 1);
  assert.deepEqual(run?.leftOut, [{ host: 'pc-2', reason: `The host pc-2 takes part in session ${other.sessionId}` }]);
  assert.deepEqual(Object.keys(bench.tasks(run!.sessionId!)), ['pc-1']);
  await bench.sessions.cancel(run!.sessionId!);
  await bench.advance(2);
  await bench.deploy({ hosts: ['pc-1'] });
  await bench.untilTime(at('02:10'));
  assert.equal(bench.history()[0], 'skipped: no host can take part (pc-1, pc-2)');
});

test('a host that the hook calls busy is left out, and the others are deployed to', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1', 'pc-2');
  bench.hook('logged-in', '[ "$1" = pc-1 ] && exit 0; echo alice is logged in; exit 1');
  await bench.add({ ifIdle: 'logged-in' });
  const run = await bench.schedules.run('nightly');
  assert.deepEqual(run.leftOut, [{ host: 'pc-2', reason: 'it is in use: alice is logged in' }]);
  assert.deepEqual(Object.keys(bench.tasks(run.sessionId!)), ['pc-1']);
});

test('at the last call hosts that are not ready are released untouched; the next run takes them, then the others', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1', 'pc-2');
  await bench.add({ until: '02:10' });
  await bench.untilTime(at('02:00'));
  bench.arrive('pc-1');
  await bench.done('pc-1', 'all');
  const [run] = bench.schedules.history('nightly', 1);
  await bench.workUntil(run!.lastCallMs! - 4000, 'pc-1');
  assert.equal(bench.state(1), 'gathering');
  await bench.workUntil(run!.lastCallMs!, 'pc-1');
  assert.deepEqual(bench.tasks(1), { 'pc-1': 'receiving', 'pc-2': 'cancelled' });
  assert.equal(bench.sessions.view(1).tasks[1]?.error?.code, 'WINDOW_CLOSED');
  await bench.casts[0]!.end('sent');
  await bench.finish('pc-1');
  assert.deepEqual(bench.history(), ['ended: 1 done, 0 failed; left over when the window closed: pc-2']);

  await bench.untilTime(at('02:00', 1));
  const [rest] = bench.schedules.history('nightly', 1);
  assert.equal(rest?.text, 'goes on with what the window had left over: session 2');
  assert.deepEqual(Object.keys(bench.tasks(2)), ['pc-2']);
  bench.arrive('pc-2');
  await bench.finish('pc-2');
  const [others] = bench.schedules.history('nightly', 1);
  assert.deepEqual([others?.isRest, others?.dueMs, others?.state], [false, rest?.dueMs, 'running']);
  assert.deepEqual(Object.keys(bench.tasks(3)), ['pc-1']);
});

test('hosts that write when the window ends may finish within the grace; after it they are stopped and named', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add({ until: '02:05', graceS: 120 });
  await bench.untilTime(at('02:00'));
  bench.arrive('pc-1');
  await bench.done('pc-1', 'all');
  await bench.workUntil(at('02:06'), 'pc-1');
  assert.deepEqual(bench.tasks(1), { 'pc-1': 'receiving' });
  await bench.workUntil(at('02:07'), 'pc-1');
  assert.deepEqual(bench.tasks(1), { 'pc-1': 'cancelled' });
  await bench.advance(2);
  const [run] = bench.schedules.history('nightly', 1);
  assert.deepEqual(run?.leftOver, [{ hostId: bench.hostId('pc-1'), host: 'pc-1', hasWritten: true }]);
});

test('a run does not begin when the rest of its window is too short for it', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  const slow = { cron: '0 2 * * *', until: '02:05', deploy: bench.request({ maxMbit: 1 }) };
  const { warnings, times } = await bench.schedules.preview({ name: 'nightly', tz: 'UTC', ...slow });
  assert.match(warnings[0]!, /^The window is shorter than the expected time of \d+ s: no run would begin$/);
  assert.deepEqual(times[0], { dueMs: at('02:00'), untilMs: at('02:05') });
  await bench.add(slow);
  await bench.untilTime(at('02:00'));
  assert.match(bench.history()[0]!, /^skipped: the rest of the window is shorter than the expected time/);
});

test('after a downtime a run begins late while its window is open, and is missed when it has closed', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add({ until: '06:00' });
  await bench.deadUntil(at('05:00'));
  assert.deepEqual(bench.history(), ['running: begins: session 1']);
  assert.equal(bench.schedules.history('nightly', 1)[0]?.kind, 'late');
  await bench.sessions.cancel(1);
  await bench.advance(2);
  await bench.deadUntil(at('06:00', 1));
  assert.equal(bench.history()[0], 'missed: a time passed while the daemon was not running');
});

test('a run goes on after the daemon was killed, and its window still closes', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add({ until: '02:05' });
  await bench.untilTime(at('02:00'));
  await bench.deadUntil(at('02:04'));
  assert.deepEqual(bench.history(), ['running: begins: session 1']);
  await bench.advance(60);
  assert.deepEqual(bench.history(), ['ended: 0 done, 0 failed; left over when the window closed: pc-1']);
});

test('a run whose daemon was killed before it had a session begins again, once', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add();
  bench.isPruning = true;
  await bench.untilTime(at('02:00'));
  assert.deepEqual(bench.history(), ['starting: begins']);
  await bench.deadUntil(at('02:01'));
  bench.isPruning = false;
  await bench.advance(3);
  assert.deepEqual(bench.history(), ['running: begins: session 1']);
  assert.equal(bench.sessions.list(10).length, 1);
});

test('a clock that was years ahead for a moment does not silence a schedule, one set back by an hour runs nothing twice', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add();
  const years = 14 * 365 * 24 * 3600_000;
  bench.clock.jump(years);
  await bench.advance(2);
  bench.clock.jump(-years);
  await bench.advance(2);
  assert.equal(bench.schedules.view('nightly').nextMs, at('02:00'));
  await bench.untilTime(at('02:00'));
  assert.equal(bench.history()[0], 'running: begins: session 1');
  await bench.finish('pc-1');
  bench.clock.jump(-3600_000);
  await bench.untilTime(at('02:00'));
  assert.equal(bench.sessions.list(10).length, 1);
  assert.equal(bench.schedules.view('nightly').nextMs, at('02:00', 1));
});

test('a paused schedule lets its times pass, and makes up for none of them', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add({ until: '06:00' });
  assert.equal(bench.schedules.pause('nightly').nextMs, undefined);
  await bench.untilTime(at('02:00'));
  assert.equal(bench.schedules.unpause('nightly').nextMs, at('02:00', 1));
  await bench.advance(10);
  assert.deepEqual(bench.history(), []);
});

test('a single time is done when it has passed, and may still be run by hand', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add({ at: '2026-11-22 01:00' });
  await bench.untilTime(at('01:00'));
  assert.equal(bench.schedules.view('nightly').state, 'done');
  assert.throws(() => bench.schedules.pause('nightly'), { code: 'SCHEDULE_OVER' });
  await assert.rejects(bench.schedules.run('nightly'), { code: 'SCHEDULE_RUNNING' });
  assert.throws(() => bench.schedules.remove('nightly'), { code: 'SCHEDULE_RUNNING' });
  await bench.sessions.cancel(1);
  await bench.advance(2);
  assert.equal((await bench.schedules.run('nightly')).state, 'running');
});

test('an image that is damaged at the time is said in the history', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  await bench.add();
  bench.missingChunks = 3;
  await bench.untilTime(at('02:00'));
  assert.deepEqual(bench.history(), ['skipped: Image win11 has 3 damaged or missing chunks']);
  assert.equal(bench.schedules.history('nightly', 1)[0]?.error?.code, 'IMAGE_DAMAGED');
});

test('what cannot be is refused when the schedule is added', async (t) => {
  const bench = new ScheduleBench(t, 'pc-1');
  const refuse = (fields: Partial<NewSchedule>, code: string) => assert.rejects(bench.add(fields), { code });
  await refuse({ cron: '0 25 * * *' }, 'SCHEDULE_INVALID');
  await refuse({ at: '2026-11-21 02:00' }, 'SCHEDULE_INVALID');
  await refuse({ graceS: 60 }, 'SCHEDULE_INVALID');
  await refuse({ until: '06:00', catchUp: true }, 'SCHEDULE_INVALID');
  await refuse({ ifIdle: 'absent' }, 'HOOK_MISSING');
  await refuse({ deploy: bench.request({ groups: ['nowhere'] }) }, 'GROUP_UNKNOWN');
  await refuse({ name: 'a b' }, 'NAME_INVALID');
  await bench.add();
  await refuse({}, 'SCHEDULE_EXISTS');
  bench.schedules.remove('nightly');
  assert.deepEqual(bench.schedules.list(), []);
});
