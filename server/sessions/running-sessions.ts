/** The sessions that run, in memory, and which task each host has. */
import { knownError } from '#protocol/errors.ts';
import { isTaskEnded } from '#protocol/states.ts';
import type { Clock } from '#system/clock.ts';
import type { CastTable } from '../db/cast-table.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { TaskRow } from '../db/task-row.ts';
import { LiveSession, type LiveTask } from './live-session.ts';
import { secretsOfTask } from './orders.ts';

export interface RunningSessionsOptions {
  readonly table: SessionTable;
  readonly casts: CastTable;
  readonly clock: Clock;
}

export interface RunningTask {
  readonly live: LiveSession;
  readonly task: LiveTask;
}

export class RunningSessions {
  #options: RunningSessionsOptions;
  #sessions = new Map<number, LiveSession>();
  #tasksByHost = new Map<number, RunningTask>();

  constructor(options: RunningSessionsOptions) {
    this.#options = options;
  }

  /** Takes a session from the database, as it was left. */
  load(sessionId: number): LiveSession {
    const { table, casts, clock } = this.#options;
    const now = { nowMs: clock.nowMs(), steadyMs: clock.steadyMs() };
    const live = new LiveSession(table.session(sessionId)!, table.tasksOf(sessionId), casts.ofSession(sessionId), now);
    this.#sessions.set(sessionId, live);
    for (const task of live.tasks.values()) {
      if (!isTaskEnded(task.row.state)) this.#tasksByHost.set(task.row.hostId, { live, task });
    }
    return live;
  }

  /** Takes new tasks of a running session. */
  addTasks(live: LiveSession, rows: readonly TaskRow[]): void {
    const steadyMs = this.#options.clock.steadyMs();
    for (const row of rows) this.#tasksByHost.set(row.hostId, { live, task: live.addTask(row, steadyMs) });
  }

  /** The task of the host has ended. */
  release(hostId: number): void {
    this.#tasksByHost.delete(hostId);
  }

  end(sessionId: number): void {
    this.#sessions.delete(sessionId);
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** Oldest first. */
  all(): Iterable<LiveSession> {
    return this.#sessions.values();
  }

  byId(sessionId: number): LiveSession | undefined {
    return this.#sessions.get(sessionId);
  }

  /** Throws SESSION_UNKNOWN, SESSION_ENDED. */
  get(sessionId: number): LiveSession {
    const live = this.#sessions.get(sessionId);
    if (live !== undefined) return live;
    const row = this.#options.table.session(sessionId);
    if (row === undefined) throw knownError('SESSION_UNKNOWN', { session: sessionId });
    throw knownError('SESSION_ENDED', { session: sessionId, state: row.state });
  }

  taskOf(hostId: number): RunningTask | undefined {
    return this.#tasksByHost.get(hostId);
  }

  /** The session in which the host has a running task. */
  sessionOf(hostId: number): number | undefined {
    return this.#tasksByHost.get(hostId)?.live.row.sessionId;
  }

  /** The host has a running task whose turn has come: it boots the agent. */
  isCalled(hostId: number): boolean {
    const task = this.taskOf(hostId)?.task;
    return task !== undefined && task.row.state !== 'pending';
  }

  /** Throws HOST_BUSY when one of the hosts has a running task. */
  requireFree(hosts: readonly { readonly hostId: number; readonly host: string }[]): void {
    for (const { hostId, host } of hosts) {
      const session = this.sessionOf(hostId);
      if (session !== undefined) throw knownError('HOST_BUSY', { host, session });
    }
  }

  /** Some session that runs. */
  anySession(): number | undefined {
    return this.#sessions.keys().next().value;
  }

  /** One that deploys this image version. */
  sessionUsing(manifestId: string): number | undefined {
    for (const { row } of this.#sessions.values()) if (row.manifestId === manifestId) return row.sessionId;
    return undefined;
  }

  /** One that gives this secret to its hosts. */
  sessionNaming(secret: string): number | undefined {
    for (const { row, tasks } of this.#sessions.values()) {
      if (tasks.values().some((task) => secretsOfTask(row, task.row)?.includes(secret))) return row.sessionId;
    }
    return undefined;
  }
}
