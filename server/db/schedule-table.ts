/** SQL of schedules and their runs. */
import type { ScheduleRun, ScheduleSpec, ScheduleView } from '#protocol/admin/schedule-api.ts';
import type { Database } from './database.ts';

export interface ScheduleRow {
  readonly scheduleId: number;
  readonly name: string;
  readonly state: ScheduleView['state'];
  readonly spec: ScheduleSpec;
  readonly checkedMs: number;
  readonly createdMs: number;
}

/** A run as it is kept: its id and state are columns. */
export type RunDraft = Omit<ScheduleRun, 'runId' | 'schedule'>;

interface ScheduleCells {
  readonly schedule_id: number;
  readonly name: string;
  readonly state: ScheduleView['state'];
  readonly spec: string;
  readonly checked_ms: number;
  readonly created_ms: number;
}

interface RunCells {
  readonly run_id: number;
  readonly name: string;
  readonly view: string;
}

const RUN = 'SELECT run_id, name, view FROM schedule_run JOIN schedule USING (schedule_id)';

export class ScheduleTable {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Runs `action` in one transaction; nested calls join it. */
  transaction<T>(action: () => T): T {
    return this.#database.transaction(action)();
  }

  insert(spec: ScheduleSpec, nowMs: number): void {
    this.#database
      .prepare(`INSERT INTO schedule (name, state, spec, checked_ms, created_ms) VALUES (?, 'active', ?, ?, ?)`)
      .run(spec.name, JSON.stringify(spec), nowMs, nowMs);
  }

  /** In name order. */
  all(): ScheduleRow[] {
    return this.#database.prepare<[], ScheduleCells>('SELECT * FROM schedule ORDER BY name').all().map(toSchedule);
  }

  byName(name: string): ScheduleRow | undefined {
    const cells = this.#database.prepare<[string], ScheduleCells>('SELECT * FROM schedule WHERE name = ?').get(name);
    return cells && toSchedule(cells);
  }

  setState(scheduleId: number, state: ScheduleView['state'], checkedMs: number): void {
    this.#database
      .prepare('UPDATE schedule SET state = ?, checked_ms = ? WHERE schedule_id = ?')
      .run(state, checkedMs, scheduleId);
  }

  /** With its runs. */
  remove(scheduleId: number): void {
    this.#database.prepare('DELETE FROM schedule WHERE schedule_id = ?').run(scheduleId);
  }

  /** Throws SQLite's constraint error when a run of the schedule has not ended. */
  insertRun(scheduleId: number, run: RunDraft): number {
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO schedule_run (schedule_id, state, session_id, view) VALUES (?, ?, ?, ?)')
      .run(scheduleId, run.state, run.sessionId ?? null, JSON.stringify(run));
    return Number(lastInsertRowid);
  }

  updateRun({ runId, schedule: _name, ...run }: ScheduleRun): void {
    this.#database
      .prepare('UPDATE schedule_run SET state = ?, session_id = ?, view = ? WHERE run_id = ?')
      .run(run.state, run.sessionId ?? null, JSON.stringify(run), runId);
  }

  run(runId: number): ScheduleRun {
    return toRun(this.#database.prepare<[number], RunCells>(`${RUN} WHERE run_id = ?`).get(runId)!);
  }

  /** Runs that have not ended, of every schedule. */
  openRuns(): ScheduleRun[] {
    const sql = `${RUN} WHERE schedule_run.state IN ('starting', 'running') ORDER BY run_id`;
    return this.#database.prepare<[], RunCells>(sql).all().map(toRun);
  }

  /** Newest first. */
  runsOf(scheduleId: number, limit: number): ScheduleRun[] {
    const sql = `${RUN} WHERE schedule_id = ? ORDER BY run_id DESC LIMIT ?`;
    return this.#database.prepare<[number, number], RunCells>(sql).all(scheduleId, limit).map(toRun);
  }

  /** The newest that came to a session and has ended. */
  lastSessionRun(scheduleId: number): ScheduleRun | undefined {
    const sql = `${RUN} WHERE schedule_id = ? AND session_id IS NOT NULL AND schedule_run.state = 'ended'
      ORDER BY run_id DESC LIMIT 1`;
    const cells = this.#database.prepare<[number], RunCells>(sql).get(scheduleId);
    return cells && toRun(cells);
  }

  /** Ids of the hosts that have succeeded in runs that belong to one time of the schedule. */
  doneHosts(scheduleId: number, dueMs: number): Set<number> {
    const sql = `SELECT host_id FROM task JOIN schedule_run USING (session_id)
      WHERE schedule_id = ? AND schedule_run.view ->> '$.dueMs' = ? AND task.state = 'succeeded'`;
    return new Set(this.#database.prepare<[number, number], number>(sql).pluck().all(scheduleId, dueMs));
  }
}

function toSchedule(cells: ScheduleCells): ScheduleRow {
  return {
    scheduleId: cells.schedule_id,
    name: cells.name,
    state: cells.state,
    spec: JSON.parse(cells.spec) as ScheduleSpec,
    checkedMs: cells.checked_ms,
    createdMs: cells.created_ms,
  };
}

function toRun({ run_id, name, view }: RunCells): ScheduleRun {
  return { ...(JSON.parse(view) as RunDraft), runId: run_id, schedule: name };
}
