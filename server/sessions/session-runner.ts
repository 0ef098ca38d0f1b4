/**
 * Moves sessions and tasks: asks the pure decisions, commits a move together with its audit event in one transaction, and
 * only then sees to the effects. It ticks about once a second, and after every report of a host for that host's task alone.
 */

import type { HostView } from '#protocol/admin/host-api.ts';
import type { Report } from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';
import { isSessionEnded, isTaskEnded, type SessionState, sessionMoves } from '#protocol/states.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { CastTable } from '../db/cast-table.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { TaskChange } from '../db/task-row.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { decideSession } from './decide-session.ts';
import { decideTask, type TaskLimits, type TaskMove } from './decide-task.ts';
import { Facts } from './facts.ts';
import { HaveNotes } from './have-notes.ts';
import { type LiveSession, type LiveTask, SETTLE_MS } from './live-session.ts';
import { Parkings } from './parkings.ts';
import { chooseRepairHosts } from './pass-hosts.ts';
import type { PassRunner } from './pass-runner.ts';
import type { RunningSessions } from './running-sessions.ts';
import { saySessionMove, sayTaskMove, sayWavesStopped } from './session-text.ts';
import { changeOf, rowAfter } from './task-change.ts';
import { Waking } from './waking.ts';

export interface SessionRunnerOptions {
  readonly config: Config;
  readonly running: RunningSessions;
  readonly table: SessionTable;
  readonly casts: CastTable;
  readonly hosts: Pick<Hosts, 'byId' | 'presence'>;
  readonly events: EventLog;
  readonly waker: { wake(host: HostView): Promise<void> };
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: { readonly interface: string };
  /** Stored bytes of an average chunk of the image, to weigh a pass. */
  bytesPerChunk(live: LiveSession): number;
  /** The host took leave: it has been told to reboot or to power off, and its agent has not come back since. */
  hasLeft(hostId: number): boolean;
  /** Whether a task that prepares again is told to hash its disk; undefined: as it was told before. */
  mayHash(live: LiveSession, task: LiveTask): boolean | undefined;
  /** A task moved: its host has another order, or none. */
  onTaskMoved(live: LiveSession, task: LiveTask): void;
  onChange(sessionId: number): void;
}

export class SessionRunner {
  /** What the decisions look at. */
  readonly facts: Facts;
  /** Who leaves a cast, or stays out of it, because of what it costs the others. */
  readonly parkings: Parkings;
  passes: PassRunner | undefined;
  isStopped = false;
  #options: SessionRunnerOptions;
  #limits: TaskLimits;
  #waking: Waking;
  #haveNotes: HaveNotes;

  constructor(options: SessionRunnerOptions) {
    this.#options = options;
    this.#limits = { ...options.config.session, receiveTimeoutS: options.config.cast.receiveTimeoutS };
    this.#waking = new Waking(options);
    this.#haveNotes = new HaveNotes(options.table);
    this.facts = new Facts(options, this.#waking);
    this.parkings = new Parkings({
      ...options,
      facts: this.facts,
      moveTasks: (live, moves) => {
        if (!this.isStopped) this.moveTasks(live, moves);
      },
    });
  }

  /** Decides everything that time may have changed. */
  tick(): void {
    this.#waking.beginTick();
    for (const live of [...this.#options.running.all()]) {
      try {
        this.settle(live);
      } catch (error) {
        // One broken session must not stop the others; that it is broken shows in the log every second.
        this.#options.log.error({ err: error, sessionId: live.row.sessionId }, 'a session cannot go on');
      }
    }
  }

  /** Decides every task of a session and the session, until nothing moves any more. */
  settle(live: LiveSession): void {
    if (this.isStopped) return;
    do this.#decideTasks(live, live.tasks.values());
    while (this.#decideSession(live));
  }

  /** Decides one task; the session only when the task moved, so that a report costs the same in a session of any size. */
  settleTask(live: LiveSession, task: LiveTask): void {
    if (this.isStopped || !this.#decideTasks(live, [task])) return;
    if (this.#decideSession(live)) this.settle(live);
  }

  /** Notes a report about the present order of a task. */
  noteReport(live: LiveSession, task: LiveTask, report: Report): void {
    const before = task.report?.progress;
    const now = report.progress;
    if (now !== undefined && (now.doneBytes !== before?.doneBytes || now.phase !== before.phase)) {
      task.movedAtMs = this.#options.clock.steadyMs();
    }
    task.report = report.progress === undefined && before !== undefined ? { ...report, progress: before } : report;
    if (now !== undefined) this.#haveNotes.note(task, now, this.#options.clock.steadyMs());
    this.#options.onChange(live.row.sessionId);
    this.parkings.noteProgress(live, task, report.progress);
    live.probe?.note(task.row.taskId, report);
    this.settleTask(live, task);
    if (!this.isStopped) this.parkings.look(live);
  }

  /** Moves several tasks, and what else must be true with them, in one transaction. */
  moveTasks(live: LiveSession, moves: readonly { task: LiveTask; move: TaskMove }[], alsoCommit?: () => void): void {
    const { table, events, clock } = this.#options;
    const nowMs = clock.nowMs();
    const changes = moves.map(({ task, move }) => {
      const isHashing = move.to === 'preparing' ? this.#options.mayHash(live, task) : undefined;
      return { task, move, change: changeOf(task.row, move, { report: task.report, isHashing, nowMs }) };
    });
    table.transaction(() => {
      for (const { task, move, change } of changes) {
        table.moveTask(task.row, change, nowMs);
        const { sessionId, hostId, host } = task.row;
        const text = sayTaskMove(task.row, move, task.holes?.count, task.report?.progress?.warnings);
        events.add({
          subject: 'task',
          action: move.action ?? move.to,
          text,
          sessionId,
          hostId,
          host,
          error: move.error,
        });
      }
      alsoCommit?.();
    });
    for (const { task, change } of changes) this.#apply(live, task, change, nowMs);
    // What is written in their wake is one transaction too: a thousand of their own would hold up everybody.
    table.transaction(() => {
      for (const { task } of changes) this.#options.onTaskMoved(live, task);
    });
    this.#options.onChange(live.row.sessionId);
  }

  /** Commits a move of the session and, in the same transaction, `alsoCommit`. */
  moveSession(live: LiveSession, to: SessionState, alsoCommit?: () => void): void {
    const move = this.#prepareMove(live, to);
    this.#options.table.transaction(() => {
      alsoCommit?.();
      move.commit();
    });
    move.apply();
  }

  /** Cancels a session together with these moves of its tasks: all is committed before anything counts. */
  cancel(live: LiveSession, moves: readonly { task: LiveTask; move: TaskMove }[]): void {
    const cancelling = this.#prepareMove(live, 'cancelled');
    this.moveTasks(live, moves, cancelling.commit);
    cancelling.apply();
  }

  /** `commit` writes the move down, within a transaction; `apply` is for when that is committed. */
  #prepareMove(live: LiveSession, to: SessionState): { commit(): void; apply(): void } {
    const { table, events, clock } = this.#options;
    const { row, counts } = live;
    if (!sessionMoves[row.state].includes(to)) throw new Error(`session ${row.sessionId}: ${row.state} to ${to}`);
    const nowMs = clock.nowMs();
    const isNextWave = to === 'gathering' && row.state !== 'planned';
    const wave = isNextWave ? row.wave + 1 : row.wave;
    const times = {
      ...(to === 'gathering' ? { gatheringMs: nowMs } : {}),
      ...(isSessionEnded(to) ? { endedMs: nowMs } : {}),
    };
    const commit = () => {
      table.moveSession(row, { state: to, ...(isNextWave ? { wave } : {}), ...times });
      const text = saySessionMove({ ...row, wave }, to, counts.succeeded, counts.failed);
      events.add({ subject: 'session', action: to, text, sessionId: row.sessionId });
    };
    const apply = () => {
      live.row = { ...live.row, state: to, wave, ...times, ...(isNextWave ? { isStartNow: false } : {}) };
      if (to === 'gathering') {
        live.passesBefore = live.row.passes;
        live.gatheringAtMs = clock.steadyMs();
      }
      if (isNextWave) live.fruitlessPasses = 0;
      if (isSessionEnded(to)) this.#options.running.end(row.sessionId);
      this.#options.onChange(row.sessionId);
    };
    return { commit, apply };
  }

  /** True when one of them moved. A thousand that move together are one transaction. */
  #decideTasks(live: LiveSession, tasks: Iterable<LiveTask>, isRepairTime = false): boolean {
    let open = [...tasks];
    // The longest chain without outside help is pending, booting, preparing.
    for (let i = 0; i < 5; i++) {
      const moves: { task: LiveTask; move: TaskMove }[] = [];
      for (const task of open) {
        const { move, effects } = decideTask(this.facts.ofTask(live, task, isRepairTime), this.#limits);
        if (move !== undefined) moves.push({ task, move });
        else if (effects.includes('keepAwake')) this.#waking.keepAwake(live, task);
      }
      if (moves.length === 0) return i > 0;
      this.moveTasks(live, moves);
      open = moves.map(({ task }) => task);
    }
    return true;
  }

  /** True when the session moved. */
  #decideSession(live: LiveSession): boolean {
    const decision = decideSession(this.facts.ofSession(live));
    if (decision.move !== undefined) {
      const { state } = live.row;
      this.moveSession(live, decision.move);
      if (state === 'casting') {
        this.passes?.conclude(live);
        live.settleUntilMs = this.#options.clock.steadyMs() + SETTLE_MS;
      }
      return !isSessionEnded(decision.move);
    }
    for (const effect of decision.effects) {
      if (effect === 'keepCast') this.passes?.keepCast(live);
      else if (effect === 'endCast') this.passes?.endUnheard(live);
      else if (effect === 'stopWaves') {
        this.#stopWaves(live);
        return true;
      } else this.#decideTasks(live, chooseRepairHosts(live.tasksIn('ready')), true);
    }
    return false;
  }

  /** Hosts of later waves are free again, untouched. */
  #stopWaves(live: LiveSession): void {
    const { sessionId } = live.row;
    const reason = sayWavesStopped(live.row.wave, this.facts.ofSession(live).wave!);
    const moves = live.waiting().map((task): { task: LiveTask; move: TaskMove } => {
      const error = knownError('WAVES_STOPPED', { host: task.row.host, session: sessionId, reason }).toBody();
      return { task, move: { to: 'cancelled', error } };
    });
    const text = `Session ${sessionId} begins no further wave: ${reason}`;
    this.moveTasks(live, moves, () =>
      this.#options.events.add({ subject: 'session', action: 'waves-stopped', text, sessionId }),
    );
  }

  /** Into memory alone, so that nothing can go wrong half-way: what is committed counts. */
  #apply(live: LiveSession, task: LiveTask, change: TaskChange, nowMs: number): void {
    const { row, report } = task;
    const steadyMs = this.#options.clock.steadyMs();
    live.counts[row.state]--;
    live.counts[change.state]++;
    if (change.state === 'ready' && live.counts.ready === 1) live.firstReadyMs = steadyMs;
    task.row = rowAfter(row, change, report, nowMs);
    if (change.holes === null) task.holes = undefined;
    task.report = undefined;
    task.stateAtMs = steadyMs;
    task.movedAtMs = steadyMs;
    if (isTaskEnded(change.state)) this.#options.running.release(row.hostId);
  }
}
