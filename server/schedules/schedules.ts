/** The schedules: what the admin API asks of them. What they do by themselves is in run-starter.ts and here in `tick`. */

import type {
  NewSchedule,
  SchedulePreview,
  ScheduleRun,
  ScheduleSpec,
  ScheduleView,
} from '#protocol/admin/schedule-api.ts';
import { DEFAULT_GRACE_S } from '#protocol/admin/schedule-api.ts';
import { knownError } from '#protocol/errors.ts';
import { isSessionEnded } from '#protocol/states.ts';
import type { Database } from '../db/database.ts';
import { type RunDraft, type ScheduleRow, ScheduleTable } from '../db/schedule-table.ts';
import { actingAs } from '../inventory/actor.ts';
import { checkName } from '../inventory/name.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { decideDue, howLate, MOST_COUNTED } from './decide-due.ts';
import { findHook } from './idle-hook.ts';
import { RunStarter, type RunStarterOptions } from './run-starter.ts';
import { sayEnded, sayMissed } from './run-text.ts';
import { localZone, Timetable } from './timetable.ts';
import { decideWindow, lastCallOf } from './window.ts';

export interface SchedulesOptions extends RunStarterOptions {
  readonly database: Database;
  readonly sessions: RunStarterOptions['sessions'] & Pick<Sessions, 'closeWindow' | 'view'>;
}

const TICK_MS = 1000;
/** Times that a preview shows. */
const TIMES_SHOWN = 3;

export class Schedules {
  #options: SchedulesOptions;
  #table: ScheduleTable;
  #starter: RunStarter;
  #timetables = new Map<number, { readonly timetable: Timetable; nextMs: number | undefined }>();
  #starting = new Map<number, Promise<void>>();
  #stopping = new AbortController();
  #ticking: Promise<void> = Promise.resolve();

  constructor(options: SchedulesOptions) {
    this.#options = options;
    this.#table = new ScheduleTable(options.database);
    this.#starter = new RunStarter(options, this.#table);
  }

  /** After a start of the daemon, when the sessions have been taken up: goes on with open runs, and begins to tick. */
  resume(): void {
    for (const run of this.#table.openRuns()) {
      if (run.state === 'starting') this.#guard(run.schedule, () => this.#takeUp(run));
    }
    this.#tick();
    this.#ticking = this.#tickUntilStopped();
  }

  /** Keeps all runs for the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#ticking, ...this.#starting.values()]);
  }

  /** Changes nothing. Throws SCHEDULE_INVALID, HOOK_MISSING, SCHEDULE_EXISTS, NAME_INVALID, and all of Sessions.planDeploy. */
  async preview(order: NewSchedule): Promise<SchedulePreview> {
    const spec = await this.#check(order);
    const timetable = Timetable.read(spec);
    const plan = await this.#options.sessions.planDeploy(spec.deploy);
    const nowMs = this.#options.clock.nowMs();
    const times: SchedulePreview['times'] = [];
    for (let at = timetable.next(nowMs); at !== undefined && times.length < TIMES_SHOWN; at = timetable.next(at)) {
      const untilMs = timetable.untilOf(at);
      times.push({ dueMs: at, ...(untilMs === undefined ? {} : { untilMs }) });
    }
    const warnings: string[] = [];
    const refused = plan.hosts.filter((host) => host.refused !== undefined);
    for (const { host, refused: error } of refused) {
      warnings.push(`${host} would be left out if it began now: ${error!.message}`);
    }
    const tight = times.find(
      ({ dueMs, untilMs }) => untilMs !== undefined && lastCallOf(untilMs, plan.expectedSeconds) <= dueMs,
    );
    if (tight !== undefined) {
      warnings.push(`The window is shorter than the expected time of ${plan.expectedSeconds} s: no run would begin`);
    }
    return { tz: spec.tz, times, plan, warnings };
  }

  /** Throws what `preview` throws. */
  async add(order: NewSchedule): Promise<ScheduleView> {
    await this.preview(order);
    const spec = await this.#check(order);
    this.#table.transaction(() => {
      this.#table.insert(spec, this.#options.clock.nowMs());
      this.#note(spec.name, 'added', `was added: ${spec.deploy.image}, ${spec.cron ?? spec.at} ${spec.tz}`);
    });
    return this.view(spec.name);
  }

  /** In name order. */
  list(): ScheduleView[] {
    return this.#table.all().map((row) => this.#viewOf(row));
  }

  /** Throws SCHEDULE_UNKNOWN. */
  view(name: string): ScheduleView {
    return this.#viewOf(this.#rowOf(name));
  }

  /** Newest first. Throws SCHEDULE_UNKNOWN. */
  history(name: string, limit: number): ScheduleRun[] {
    return this.#table.runsOf(this.#rowOf(name).scheduleId, limit);
  }

  /** Its times pass without a run; a run that is there goes on. May be repeated. Throws SCHEDULE_UNKNOWN, SCHEDULE_OVER. */
  pause(name: string): ScheduleView {
    return this.#setState(name, 'paused');
  }

  /** The next time counts again; those that passed are not made up for. May be repeated. Throws SCHEDULE_UNKNOWN, SCHEDULE_OVER. */
  unpause(name: string): ScheduleView {
    return this.#setState(name, 'active');
  }

  /** Begins a run now, with all hosts and without a window. Throws SCHEDULE_UNKNOWN, SCHEDULE_RUNNING. */
  async run(name: string): Promise<ScheduleRun> {
    const row = this.#rowOf(name);
    if (this.#isRunning(row)) throw knownError('SCHEDULE_RUNNING', { schedule: name });
    const runId = this.#table.insertRun(row.scheduleId, newRun('by-hand', this.#options.clock.nowMs()));
    await this.#start(runId);
    return this.#table.run(runId);
  }

  /** With its history. Throws SCHEDULE_UNKNOWN, SCHEDULE_RUNNING. */
  remove(name: string): void {
    const row = this.#rowOf(name);
    if (this.#isRunning(row)) throw knownError('SCHEDULE_RUNNING', { schedule: name });
    this.#table.transaction(() => {
      this.#table.remove(row.scheduleId);
      this.#note(name, 'removed', 'was removed');
    });
    this.#timetables.delete(row.scheduleId);
  }

  #setState(name: string, state: 'active' | 'paused'): ScheduleView {
    const row = this.#rowOf(name);
    if (row.state === 'done') throw knownError('SCHEDULE_OVER', { schedule: name });
    if (row.state !== state) {
      this.#table.transaction(() => {
        this.#table.setState(row.scheduleId, state, this.#options.clock.nowMs());
        this.#note(name, state === 'paused' ? 'paused' : 'resumed', state === 'paused' ? 'is paused' : 'goes on');
      });
      this.#timetables.delete(row.scheduleId);
    }
    return this.view(name);
  }

  async #check(order: NewSchedule): Promise<ScheduleSpec> {
    checkName(order.name, 'schedule');
    if (this.#table.byName(order.name) !== undefined) throw knownError('SCHEDULE_EXISTS', { schedule: order.name });
    const { planId: _planId, ...deploy } = order.deploy;
    const spec = { ...order, tz: order.tz ?? localZone(), deploy };
    if (Timetable.read(spec).next(this.#options.clock.nowMs()) === undefined) {
      throw knownError('SCHEDULE_INVALID', { problem: `${spec.at ?? spec.cron} has passed` });
    }
    if (spec.until === undefined && spec.graceS !== undefined) {
      throw knownError('SCHEDULE_INVALID', { problem: '--grace needs --until' });
    }
    if (spec.until !== undefined && spec.catchUp === true) {
      const problem = 'a window says already how late a run may begin: give --until or --catch-up';
      throw knownError('SCHEDULE_INVALID', { problem });
    }
    if (spec.ifIdle !== undefined) await findHook(this.#options.config.schedule.hooksDir, spec.ifIdle);
    return spec;
  }

  #tick(): void {
    for (const row of this.#table.all()) this.#guard(row.name, () => this.#decide(row));
    for (const run of this.#table.openRuns()) {
      if (run.state === 'running') this.#guard(run.schedule, () => this.#follow(run));
    }
  }

  /** What it does by itself, in its own name. One broken schedule must not stop the others. */
  #guard(schedule: string, action: () => void): void {
    try {
      actingAs(`schedule ${schedule}`, action);
    } catch (error) {
      this.#options.log.error({ err: error, schedule }, 'a schedule cannot go on');
    }
  }

  /** A run that the daemon was stopped in before it had a session. */
  #takeUp(run: ScheduleRun): void {
    const { catchUp = false } = this.#rowOf(run.schedule).spec;
    const kind = howLate(run.dueMs, run.untilMs, { nowMs: this.#options.clock.nowMs(), catchUp });
    if (kind !== undefined || run.kind === 'by-hand') this.#start(run.runId);
    else this.#starter.end(run, 'missed', 'the daemon stopped before it could begin');
  }

  /** Times that have passed. */
  #decide(row: ScheduleRow): void {
    const nowMs = this.#options.clock.nowMs();
    if (row.state !== 'active') return;
    const known = this.#timetableOf(row);
    if (known.nextMs === undefined || nowMs < known.nextMs) return;
    const { timetable } = known;
    const { missed, due } = decideDue({
      checkedMs: row.checkedMs,
      nowMs,
      next: (afterMs) => timetable.next(afterMs),
      untilOf: (startMs) => timetable.untilOf(startMs),
      catchUp: row.spec.catchUp === true,
      isRunning: this.#isRunning(row),
    });
    known.nextMs = timetable.next(nowMs);
    const runId = this.#table.transaction(() => {
      this.#table.setState(row.scheduleId, known.nextMs === undefined ? 'done' : 'active', nowMs);
      if (missed !== undefined) {
        const text = sayMissed(missed.count, missed.count > MOST_COUNTED);
        this.#table.insertRun(row.scheduleId, { ...newRun('time', missed.lastMs), state: 'missed', text });
        this.#note(row.name, 'missed', text);
      }
      if (due === undefined) return undefined;
      const run = newRun(due.kind, due.dueMs, due.untilMs);
      if (!due.isOverlap) return this.#table.insertRun(row.scheduleId, run);
      const text = 'the run before has not ended';
      this.#table.insertRun(row.scheduleId, { ...run, state: 'skipped', text });
      this.#note(row.name, 'skipped', text);
      return undefined;
    });
    if (runId !== undefined) this.#start(runId);
  }

  /** A run whose session is there: its window, and its end. */
  #follow(run: ScheduleRun): void {
    const { sessions, clock } = this.#options;
    const row = this.#rowOf(run.schedule);
    const session = sessions.view(run.sessionId!);
    if (!isSessionEnded(session.state)) {
      const step = decideWindow({ ...run, nowMs: clock.nowMs(), graceS: row.spec.graceS ?? DEFAULT_GRACE_S });
      if (step === 'nothing') return;
      sessions.closeWindow(session.sessionId, run.schedule, step).catch((error: unknown) => {
        this.#options.log.error({ err: error, schedule: run.schedule }, 'a window could not be closed');
      });
      return;
    }
    const leftOver = session.tasks
      .filter((task) => task.state === 'cancelled' && task.error?.code === 'WINDOW_CLOSED')
      .map(({ hostId, host, hasWritten = false }) => ({ hostId, host, hasWritten }));
    const ended = { ...run, succeeded: session.succeeded, failed: session.failed, leftOver };
    // What the last window had left over is done: the others follow while there is time.
    const isCycleNext = run.isRest && leftOver.length === 0 && clock.nowMs() < (run.lastCallMs ?? 0);
    const nextId = this.#table.transaction(() => {
      this.#starter.end(ended, 'ended', sayEnded(ended));
      if (!isCycleNext) return undefined;
      return this.#table.insertRun(row.scheduleId, newRun(run.kind, run.dueMs, run.untilMs));
    });
    if (nextId !== undefined) this.#start(nextId);
  }

  #start(runId: number): Promise<void> {
    const run = this.#table.run(runId);
    const row = this.#rowOf(run.schedule);
    const started = this.#starter.start(row, run, this.#stopping.signal).finally(() => this.#starting.delete(runId));
    this.#starting.set(runId, started);
    return started;
  }

  #timetableOf(row: ScheduleRow) {
    const known = this.#timetables.get(row.scheduleId);
    if (known !== undefined) return known;
    const timetable = Timetable.read(row.spec);
    const made = { timetable, nextMs: timetable.next(row.checkedMs) };
    this.#timetables.set(row.scheduleId, made);
    return made;
  }

  #isRunning({ name }: ScheduleRow): boolean {
    return this.#table.openRuns().some((run) => run.schedule === name);
  }

  #viewOf(row: ScheduleRow): ScheduleView {
    const nextMs = row.state === 'active' ? this.#timetableOf(row).nextMs : undefined;
    const [lastRun] = this.#table.runsOf(row.scheduleId, 1);
    return {
      ...row.spec,
      state: row.state,
      createdMs: row.createdMs,
      ...(nextMs === undefined ? {} : { nextMs }),
      ...(lastRun === undefined ? {} : { lastRun }),
    };
  }

  #rowOf(name: string): ScheduleRow {
    const row = this.#table.byName(name);
    if (row === undefined) throw knownError('SCHEDULE_UNKNOWN', { schedule: name });
    return row;
  }

  #note(schedule: string, action: string, what: string): void {
    this.#options.events.add({ subject: 'schedule', action, text: `Schedule ${schedule}: ${what}` });
  }

  async #tickUntilStopped(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await clock.sleep(TICK_MS, this.#stopping.signal).catch(() => {});
      if (!this.#stopping.signal.aborted) this.#tick();
    }
  }
}

function newRun(kind: ScheduleRun['kind'], dueMs: number, untilMs?: number): RunDraft {
  return {
    state: 'starting',
    kind,
    isRest: false,
    dueMs,
    ...(untilMs === undefined ? {} : { untilMs }),
    succeeded: 0,
    failed: 0,
    leftOut: [],
    leftOver: [],
    text: 'begins',
  };
}
