/** The runs of schedules: what begins by itself when its time comes, and is followed to the end of its window. */
import { DEFAULT_GRACE_S, type ScheduleRun } from '#protocol/admin/schedule-api.ts';
import { isSessionEnded } from '#protocol/states.ts';
import type { RunDraft, ScheduleRow, ScheduleTable } from '../db/schedule-table.ts';
import { actingAs } from '../inventory/actor.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { decideDue, howLate, MOST_COUNTED } from './decide-due.ts';
import { RunStarter, type RunStarterOptions } from './run-starter.ts';
import { sayEnded, sayMissed, sayOfSchedule } from './run-text.ts';
import { Timetable } from './timetable.ts';
import { decideWindow } from './window.ts';

export interface ScheduleRunsOptions extends RunStarterOptions {
  readonly sessions: RunStarterOptions['sessions'] & Pick<Sessions, 'closeWindow' | 'view'>;
}

const TICK_MS = 1000;
/** A clock that is set back by less makes no time come twice; one that was further ahead was wrong, and its times never were. In ms. */
const WRONG_CLOCK_MS = 24 * 3600_000;

export class ScheduleRuns {
  #options: ScheduleRunsOptions;
  #table: ScheduleTable;
  #starter: RunStarter;
  #timetables = new Map<number, { readonly timetable: Timetable; nextMs: number | undefined }>();
  #starting = new Map<number, Promise<void>>();
  #stopping = new AbortController();
  #ticking: Promise<void> = Promise.resolve();

  constructor(options: ScheduleRunsOptions, table: ScheduleTable) {
    this.#options = options;
    this.#table = table;
    this.#starter = new RunStarter(options, table);
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

  isRunning(schedule: string): boolean {
    return this.#table.openRuns().some((run) => run.schedule === schedule);
  }

  /** Begins a run now, with all hosts and without a window, and returns it when it has a session or says why there is none. */
  async beginByHand(row: ScheduleRow): Promise<ScheduleRun> {
    const runId = this.#table.insertRun(row.scheduleId, newRun('by-hand', this.#options.clock.nowMs()));
    await this.#start(runId);
    return this.#table.run(runId);
  }

  /** The next time of a schedule that is active; undefined when there is none. */
  nextMs(row: ScheduleRow): number | undefined {
    return this.#timetableOf(row).nextMs;
  }

  /** The times of this schedule are to be counted anew, or it is gone. */
  forget(scheduleId: number): void {
    this.#timetables.delete(scheduleId);
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
    const { catchUp = false } = this.#table.byName(run.schedule)!.spec;
    const kind = howLate(run.dueMs, run.untilMs, { nowMs: this.#options.clock.nowMs(), catchUp });
    if (kind !== undefined || run.kind === 'by-hand') this.#start(run.runId);
    else this.#starter.end(run, 'missed', 'the daemon stopped before it could begin');
  }

  /** Times that have passed. */
  #decide(row: ScheduleRow): void {
    const nowMs = this.#options.clock.nowMs();
    if (row.state !== 'active') return;
    if (row.checkedMs - nowMs > WRONG_CLOCK_MS) {
      this.#forgetFuture(row, nowMs);
      return;
    }
    const known = this.#timetableOf(row);
    if (known.nextMs === undefined || nowMs < known.nextMs) return;
    const { timetable } = known;
    const { missed, due } = decideDue({
      checkedMs: row.checkedMs,
      nowMs,
      next: (afterMs) => timetable.next(afterMs),
      untilOf: (startMs) => timetable.untilOf(startMs),
      catchUp: row.spec.catchUp === true,
      isRunning: this.isRunning(row.name),
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

  /** The clock was far ahead, as of a server that started with an empty battery: without this no time would come until then. */
  #forgetFuture(row: ScheduleRow, nowMs: number): void {
    this.#timetables.delete(row.scheduleId);
    this.#table.transaction(() => {
      this.#table.setState(row.scheduleId, row.state, nowMs);
      this.#note(row.name, 'clock-set', 'the clock was set back: its times count from now');
    });
  }

  /** A run whose session is there: its window, and its end. */
  #follow(run: ScheduleRun): void {
    const { sessions, clock } = this.#options;
    const row = this.#table.byName(run.schedule)!;
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
    const row = this.#table.byName(run.schedule)!;
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

  #note(schedule: string, action: string, what: string): void {
    this.#options.events.add({ subject: 'schedule', action, text: sayOfSchedule(schedule, what) });
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
