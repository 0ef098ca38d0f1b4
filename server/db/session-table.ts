/** SQL of sessions and their tasks. Moves compare the state they start from, so that nothing is moved twice. */
import type { CaptureRequest } from '#protocol/admin/capture-api.ts';
import type { DeployRequest, StartPolicy } from '#protocol/admin/deploy-api.ts';
import type { WipeRequest } from '#protocol/admin/wipe-api.ts';
import type { CaptureResult, DeployResult } from '#protocol/agent-api.ts';
import type { DiskIdentity } from '#protocol/disk.ts';
import type { AuditResult } from '#protocol/drift.ts';
import type { ErrorBody } from '#protocol/errors.ts';
import type { FinisherStep } from '#protocol/finisher.ts';
import type { Fit } from '#protocol/fit.ts';
import { isWriting, type SessionState, type TaskState } from '#protocol/states.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { type Cells, present, presentJson, toJson } from './cells.ts';
import type { Database } from './database.ts';

interface SessionRowBase {
  readonly sessionId: number;
  readonly state: SessionState;
  readonly image: string;
  readonly version?: number;
  readonly manifestId?: string;
  readonly isStartNow: boolean;
  /** The present canary wave, from 1. */
  readonly wave: number;
  /** Casts begun. */
  readonly passes: number;
  readonly createdMs: number;
  readonly gatheringMs?: number;
  /** When its start policy was last changed: from then on its deadline counts. */
  readonly startSetMs?: number;
  readonly endedMs?: number;
  readonly error?: ErrorBody;
}
export type SessionRow = SessionRowBase &
  (
    | { readonly kind: 'deploy'; readonly request: DeployRequest }
    | { readonly kind: 'capture'; readonly request: CaptureRequest }
    | { readonly kind: 'wipe'; readonly request: WipeRequest }
  );

/** A host whose disk could not keep up: its measured pace, in plain bytes, and how often it was parked. */
export interface Parking {
  readonly bytesPerSecond: number;
  readonly times: number;
}

export interface TaskRow {
  readonly taskId: number;
  readonly sessionId: number;
  readonly hostId: number;
  readonly host: string;
  readonly state: TaskState;
  readonly disk: DiskIdentity;
  readonly wave: number;
  /** Where the volumes lie on it; absent: as on the source. */
  readonly fit?: Fit;
  /** What runs when all is laid, in order; absent: nothing. */
  readonly finishers?: readonly FinisherStep[];
  /** Of the host in its session, from 1; the same when it is tried again. */
  readonly number: number;
  /** Raised with every move. */
  readonly round: number;
  /** Repairs that did not suffice. */
  readonly repairs: number;
  /** It has begun to write: the disk is not what it was. */
  readonly hasWritten: boolean;
  readonly stateMs: number;
  /** When its agent was first there. */
  readonly startedMs?: number;
  readonly endedMs?: number;
  /** Its agent is told to hash the disk when it prepares. */
  readonly isHashing: boolean;
  /** Chunks of the image that its disk held when it was last heard of. */
  readonly have: number;
  /** Present: it left a cast because it held the others back. */
  readonly parking?: Parking;
  /** The probe has shown that it hears too little of casts: it takes no part in them. */
  readonly isDeaf: boolean;
  /** Wire form of holes.ts. */
  readonly holes?: Buffer;
  readonly deployResult?: DeployResult;
  readonly auditResult?: AuditResult;
  readonly captureResult?: CaptureResult;
  readonly wipeResult?: WipeResult;
  readonly error?: ErrorBody;
}

/** What a move of a task changes. `holes: null` forgets them. */
export interface TaskChange {
  readonly state: TaskState;
  readonly repairs?: number;
  readonly startedMs?: number;
  readonly endedMs?: number;
  readonly isHashing?: boolean;
  readonly parking?: Parking;
  readonly isDeaf?: boolean;
  readonly holes?: null;
  readonly result?: DeployResult | AuditResult | CaptureResult | WipeResult;
  readonly error?: ErrorBody;
}

export interface NewTask {
  readonly hostId: number;
  readonly host: string;
  readonly disk: DiskIdentity;
  /** Absent: 1. */
  readonly wave?: number;
  readonly fit?: Fit;
  readonly finishers?: readonly FinisherStep[];
  /** Absent: no. */
  readonly isHashing?: boolean;
}

export interface NewSession {
  readonly kind: SessionRow['kind'];
  readonly image: string;
  readonly version?: number;
  readonly manifestId?: string;
  readonly request: DeployRequest | CaptureRequest | WipeRequest;
  readonly tasks: readonly NewTask[];
}

type Statement = { run(...values: unknown[]): { changes: number } };

export class SessionTable {
  #database: Database;
  #runInTransaction: (action: () => unknown) => unknown;
  // A thousand agents run these two all the time; the others are prepared when they are needed.
  #moveTask: Statement;
  #setHoles: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#runInTransaction = database.transaction((action: () => unknown) => action());
    this.#moveTask = database.prepare(
      `UPDATE task SET state = ?, round = round + 1, state_ms = ?, repairs = coalesce(?, repairs),
         started_ms = coalesce(?, started_ms), ended_ms = ?, hash = coalesce(?, hash), have = ?, holes = iif(?, NULL, holes), result = ?, error = ?,
         has_written = max(has_written, ?), parked_times = coalesce(?, parked_times), parked_rate = coalesce(?, parked_rate),
         deaf = max(deaf, ?)
       WHERE task_id = ? AND state = ? AND round = ?`,
    );
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
      `INSERT INTO task (session_id, host_id, host, state, disk, fit, finishers, wave, state_ms, hash, number)
       VALUES (@sessionId, @hostId, @host, 'pending', @disk, @fit, @finishers, @wave, @nowMs, @hash, @number) RETURNING *`,
    );
    const numbers = this.#numbersOf(sessionId);
    let next = Math.max(0, ...numbers.values()) + 1;
    return tasks.map(({ hostId, host, disk, fit, finishers = [], wave = 1, isHashing = false }) => {
      const number = numbers.get(hostId) ?? next++;
      numbers.set(hostId, number);
      const cells = {
        ...{ sessionId, hostId, host, number, wave, nowMs, disk: JSON.stringify(disk), fit: toJson(fit) },
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
      change.isDeaf === true ? 1 : 0,
      row.taskId,
      row.state,
      row.round,
    );
    if (changes !== 1) throw new Error(`task ${row.taskId} is not ${row.state} in round ${row.round} any more`);
  }

  /** `have` are the chunks that it does not lack. */
  setHoles(taskId: number, holes: Buffer, have: number): void {
    this.#setHoles.run(holes, have, taskId);
  }

  /** Notes how much of the image lies on the disk of a task. */
  setHave(taskId: number, have: number): void {
    this.#database.prepare('UPDATE task SET have = ? WHERE task_id = ?').run(have, taskId);
  }
}

function toSession(cells: Cells): SessionRow {
  return {
    sessionId: cells.session_id,
    kind: cells.is_wipe === 1 ? 'wipe' : cells.kind,
    state: cells.state,
    image: cells.image,
    ...present('version', cells.version),
    ...present('manifestId', cells.manifest_id),
    request: JSON.parse(cells.request as string),
    isStartNow: cells.start_now === 1,
    wave: cells.wave,
    passes: cells.passes,
    createdMs: cells.created_ms,
    ...present('gatheringMs', cells.gathering_ms),
    ...present('startSetMs', cells.start_set_ms),
    ...present('endedMs', cells.ended_ms),
    ...presentJson('error', cells.error),
  } as SessionRow;
}

function toTask(cells: Cells): TaskRow {
  return {
    taskId: cells.task_id,
    sessionId: cells.session_id,
    hostId: cells.host_id,
    host: cells.host,
    state: cells.state,
    disk: JSON.parse(cells.disk as string),
    wave: cells.wave,
    ...presentJson('fit', cells.fit),
    ...presentJson('finishers', cells.finishers),
    number: cells.number,
    round: cells.round,
    repairs: cells.repairs,
    hasWritten: cells.has_written === 1,
    stateMs: cells.state_ms,
    isHashing: cells.hash === 1,
    have: cells.have,
    isDeaf: cells.deaf === 1,
    ...(cells.parked_times === 0 ? {} : { parking: { times: cells.parked_times, bytesPerSecond: cells.parked_rate } }),
    ...present('startedMs', cells.started_ms),
    ...present('endedMs', cells.ended_ms),
    ...present('holes', cells.holes),
    ...resultOf(cells.result),
    ...presentJson('error', cells.error),
  } as TaskRow;
}

/** One column holds the result of any kind of task. */
function resultOf(
  cell: Cells[string] | undefined,
): Pick<TaskRow, 'deployResult' | 'auditResult' | 'captureResult' | 'wipeResult'> {
  if (typeof cell !== 'string') return {};
  const result = JSON.parse(cell) as DeployResult | AuditResult | CaptureResult | WipeResult;
  if ('sampledBlocks' in result) return { wipeResult: result };
  if ('manifestId' in result) return { captureResult: result };
  return 'differingChunks' in result ? { auditResult: result } : { deployResult: result };
}
