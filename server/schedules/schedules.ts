/** The schedules: what the admin API asks of them. What they do by themselves is in schedule-runs.ts. */

import type {
  NewSchedule,
  SchedulePreview,
  ScheduleRun,
  ScheduleSpec,
  ScheduleView,
} from '#protocol/admin/schedule-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { Database } from '../db/database.ts';
import { type ScheduleRow, ScheduleTable } from '../db/schedule-table.ts';
import { checkName } from '../inventory/name.ts';
import { findHook } from './idle-hook.ts';
import { sayOfSchedule } from './run-text.ts';
import { ScheduleRuns, type ScheduleRunsOptions } from './schedule-runs.ts';
import { localZone, Timetable } from './timetable.ts';
import { lastCallOf } from './window.ts';

export interface SchedulesOptions extends ScheduleRunsOptions {
  readonly database: Database;
}

/** Times that a preview shows. */
const TIMES_SHOWN = 3;

export class Schedules {
  /** What begins by itself. */
  readonly runs: ScheduleRuns;
  #options: SchedulesOptions;
  #table: ScheduleTable;

  constructor(options: SchedulesOptions) {
    this.#options = options;
    this.#table = new ScheduleTable(options.database);
    this.runs = new ScheduleRuns(options, this.#table);
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
    if (this.runs.isRunning(name)) throw knownError('SCHEDULE_RUNNING', { schedule: name });
    return this.runs.beginByHand(row);
  }

  /** With its history. Throws SCHEDULE_UNKNOWN, SCHEDULE_RUNNING. */
  remove(name: string): void {
    const row = this.#rowOf(name);
    if (this.runs.isRunning(name)) throw knownError('SCHEDULE_RUNNING', { schedule: name });
    this.#table.transaction(() => {
      this.#table.remove(row.scheduleId);
      this.#note(name, 'removed', 'was removed');
    });
    this.runs.forget(row.scheduleId);
  }

  #setState(name: string, state: 'active' | 'paused'): ScheduleView {
    const row = this.#rowOf(name);
    if (row.state === 'done') throw knownError('SCHEDULE_OVER', { schedule: name });
    if (row.state !== state) {
      this.#table.transaction(() => {
        this.#table.setState(row.scheduleId, state, this.#options.clock.nowMs());
        this.#note(name, state === 'paused' ? 'paused' : 'resumed', state === 'paused' ? 'is paused' : 'goes on');
      });
      this.runs.forget(row.scheduleId);
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

  #viewOf(row: ScheduleRow): ScheduleView {
    const nextMs = row.state === 'active' ? this.runs.nextMs(row) : undefined;
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
    this.#options.events.add({ subject: 'schedule', action, text: sayOfSchedule(schedule, what) });
  }
}
