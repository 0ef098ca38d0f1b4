/** SQL of sessions and their tasks. Moves compare the state they start from, so that nothing is moved twice. */

import type { StartPolicy } from '#protocol/admin/deploy-api.ts';
import type { ErrorBody } from '#protocol/errors.ts';
import { isWriting, type SessionState } from '#protocol/states.ts';
import { type Cells, toJson } from './cells.ts';
import type { Database } from './database.ts';
import { type NewSession, type SessionRow, toSession } from './session-row.ts';
import { type NewTask, type Parking, type TaskChange, type TaskRow, toTask } from './task-row.ts';

type Statement = { run(...values: unknown[]): { changes: number } };

export class SessionTable {
  #database: Database;
  #runInTransaction: (action: () => unknown) => unknown;
  // A thousand agents run these two all the time; the others are prepared when they are needed.
  #moveTask: Statement;
  #setHoles: Statement;
  #helloBefore: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#runInTransaction = database.transaction((action: () => unknown) => action());
    this.#moveTask = database.prepare(
      `UPDATE task SET state = ?, round = round + 1, state_ms = ?, repairs = coalesce(?, repairs),
         started_ms = coalesce(?, started_ms), ended_ms = ?, hash = coalesce(?, hash), have = ?, holes = iif(?, NULL, holes), result = ?, error = ?,
         has_written = max(has_written, ?), parked_times = coalesce(?, parked_times), parked_rate = coalesce(?, parked_rate),
         parked_for = coalesce(?, parked_for), deaf = max(deaf, ?)
       WHERE task_id = ? AND state = ? AND round = ?`,
    );
    this.#helloBefore = database.prepare('UPDATE agent_token SET created_ms = min(created_ms, ?) WHERE host_id = ?');
    this.#setHoles = database.prepare('UPDATE task SET holes = ?, have = ? WHERE task_id = ?');
  }

  /** Runs `action` in one transaction; nested calls join it. */
  transaction<T>(action: () => T): T {
    return this.#runInTransaction(action) as T;
  }

  /** Returns the id of the session. Throws SQLite's constraint error when a host already has a running task. */
  insert(session: NewSession, nowMs: number): number {
    const sessionId = Number(
      this.#database
        .prepare(
          `INSERT INTO session (kind, is_wipe, state, image, version, manifest_id, request, created_ms)
           VALUES (?, ?, 'planned', ?, ?, ?, ?, ?)`,
        )
        .run(
          // The CHECK of the column knows only two kinds: migrations/0010-wipe.sql.
          session.kind === 'wipe' ? 'deploy' : session.kind,
          Number(session.kind === 'wipe'),
          session.image,
          session.version ?? null,
          session.manifestId ?? null,
          JSON.stringify(session.request),
          nowMs,
        ).lastInsertRowid,
    );
    this.insertTasks(sessionId, session.tasks, nowMs);
    return sessionId;
  }

  /** Throws SQLite's constraint error when a host already has a running task. */
  insertTasks(sessionId: number, tasks: readonly NewTask[], nowMs: number): TaskRow[] {
    const insertTask = this.#database.prepare<unknown[], Cells>(
      `INSERT INTO task (session_id, host_id, host, state, disk, fit, twins, finishers, luks_secrets, wave, state_ms, hash, number)
       VALUES (@sessionId, @hostId, @host, 'pending', @disk, @fit, @twins, @finishers, @luksSecrets, @wave, @nowMs, @hash, @number) RETURNING *`,
    );
    const numbers = this.#numbersOf(sessionId);
    let next = Math.max(0, ...numbers.values()) + 1;
    return tasks.map(({ hostId, host, disk, fit, twins, finishers = [], luksSecrets, wave = 1, isHashing = false }) => {
      const number = numbers.get(hostId) ?? next++;
      numbers.set(hostId, number);
      const cells = {
        ...{
          sessionId,
          hostId,
          host,
          number,
          wave,
          nowMs,
          disk: JSON.stringify(disk),
          fit: toJson(fit),
          twins: toJson(twins),
          luksSecrets: toJson(luksSecrets),
        },
        ...{ finishers: finishers.length === 0 ? null : JSON.stringify(finishers), hash: Number(isHashing) },
      };
      return toTask(insertTask.get(cells)!);
    });
  }

  /** Numbers of the hosts of a session, by host id. */
  #numbersOf(sessionId: number): Map<number, number> {
    const rows = this.#database
      .prepare<[number], Cells>('SELECT host_id, number FROM task WHERE session_id = ?')
      .all(sessionId);
    return new Map(rows.map(({ host_id, number }) => [host_id as number, number as number]));
  }

  session(sessionId: number): SessionRow | undefined {
    const cells = this.#database.prepare<[number], Cells>('SELECT * FROM session WHERE session_id = ?').get(sessionId);
    return cells === undefined ? undefined : toSession(cells);
  }

  /** Newest first. */
  sessions(limit: number): SessionRow[] {
    return this.#database
      .prepare<[number], Cells>('SELECT * FROM session ORDER BY session_id DESC LIMIT ?')
      .all(limit)
      .map(toSession);
  }

  /** Those that the host took part in, newest first. */
  sessionsOfHost(hostId: number, limit: number): SessionRow[] {
    return this.#database
      .prepare<[number, number], Cells>(
        `SELECT * FROM session WHERE session_id IN (SELECT session_id FROM task WHERE host_id = ?)
         ORDER BY session_id DESC LIMIT ?`,
      )
      .all(hostId, limit)
      .map(toSession);
  }

  runningSessions(): SessionRow[] {
    return this.#database
      .prepare<[], Cells>(
        `SELECT * FROM session WHERE state NOT IN ('completed', 'failed', 'cancelled') ORDER BY session_id`,
      )
      .all()
      .map(toSession);
  }

  tasksOf(sessionId: number): TaskRow[] {
    return this.#database
      .prepare<[number], Cells>('SELECT * FROM task WHERE session_id = ? ORDER BY task_id')
      .all(sessionId)
      .map(toTask);
  }

  /** Moves a session that is in the state of `row`; with another wave, "start now" is to be said again. Throws when it is not: somebody else moved it, which is a bug. */
  moveSession(
    row: SessionRow,
    change: { state: SessionState; wave?: number; gatheringMs?: number; endedMs?: number; error?: ErrorBody },
  ): void {
    const { changes } = this.#database
      .prepare(
        `UPDATE session SET state = ?, wave = coalesce(?, wave), start_now = iif(? IS NULL, start_now, 0),
           gathering_ms = coalesce(?, gathering_ms), ended_ms = ?, error = ?
         WHERE session_id = ? AND state = ?`,
      )
      .run(
        change.state,
        change.wave ?? null,
        change.wave ?? null,
        change.gatheringMs ?? null,
        change.endedMs ?? null,
        toJson(change.error),
        row.sessionId,
        row.state,
      );
    if (changes !== 1) throw new Error(`session ${row.sessionId} is not ${row.state} any more`);
  }

  setStartNow(sessionId: number): void {
    this.#database.prepare('UPDATE session SET start_now = 1 WHERE session_id = ?').run(sessionId);
  }

  /** Another start policy; it takes back a "start now". */
  setStart(sessionId: number, start: StartPolicy, nowMs: number): void {
    this.#database
      .prepare(
        `UPDATE session SET request = json_set(request, '$.start', json(?)), start_now = 0, start_set_ms = ?
         WHERE session_id = ?`,
      )
      .run(JSON.stringify(start), nowMs, sessionId);
  }

  /** What a capture made. */
  setVersion(sessionId: number, version: number, manifestId: string): void {
    this.#database
      .prepare('UPDATE session SET version = ?, manifest_id = ? WHERE session_id = ?')
      .run(version, manifestId, sessionId);
  }

  /** Moves a task that is in the state and round of `row`, and raises its round. Throws when it is not: a bug. */
  moveTask(row: TaskRow, change: TaskChange, nowMs: number): void {
    const { changes } = this.#moveTask.run(
      change.state,
      nowMs,
      change.repairs ?? null,
      change.startedMs ?? null,
      change.endedMs ?? null,
      change.isHashing === undefined ? null : Number(change.isHashing),
      row.have,
      change.holes === null ? 1 : 0,
      toJson(change.result),
      toJson(change.error),
      isWriting(change.state) ? 1 : 0,
      change.parking?.times ?? null,
      change.parking?.bytesPerSecond ?? null,
      change.parking?.cause ?? null,
      change.isDeaf === true ? 1 : 0,
      row.taskId,
      row.state,
      row.round,
    );
    if (changes !== 1) throw new Error(`task ${row.taskId} is not ${row.state} in round ${row.round} any more`);
    // Its agent said hello before, though somebody may have set the clock back meanwhile: it is still to be released.
    if (change.endedMs !== undefined) this.#helloBefore.run(change.endedMs, row.hostId);
  }

  /** `have` are the chunks that it does not lack. */
  setHoles(taskId: number, holes: Buffer, have: number): void {
    this.#setHoles.run(holes, have, taskId);
  }

  /** Undefined: it is like any other host (again). */
  setParking(taskId: number, parking: Parking | undefined): void {
    this.#database
      .prepare('UPDATE task SET parked_times = ?, parked_rate = ?, parked_for = ? WHERE task_id = ?')
      .run(parking?.times ?? 0, parking?.bytesPerSecond ?? null, parking?.cause ?? null, taskId);
  }

  /** Notes how much of the image lies on the disk of a task. */
  setHave(taskId: number, have: number): void {
    this.#database.prepare('UPDATE task SET have = ? WHERE task_id = ?').run(have, taskId);
  }
}
