/**
 * Moves sessions and tasks: asks the pure decisions, commits a move together with its audit event in one transaction, and
 * only then sees to the effects. It ticks about once a second, and after every report of a host for that host's task alone.
 */

import { DEFAULT_WAKE_GAP_S, type DeployRequest, type HostView } from '#protocol/admin-api.ts';
import type { Report } from '#protocol/agent-api.ts';
import { describeDisk } from '#protocol/disk.ts';
import {
  isSessionEnded,
  isTaskEnded,
  type SessionState,
  sessionMoves,
  type TaskState,
  taskMoves,
} from '#protocol/states.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { SessionTable, TaskChange } from '../db/session-table.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { decideSession, type SessionFacts } from './decide-session.ts';
import { decideTask, type TaskFacts, type TaskLimits, type TaskMove } from './decide-task.ts';
import { LiveSession, type LiveTask } from './live-session.ts';
import { isPassWorth } from './pass-plan.ts';
import type { PassRunner } from './pass-runner.ts';
import { saySessionMove, sayTaskMove } from './session-text.ts';
import { mayWake, recentWakes, type WakeRule } from './wake-wave.ts';

export interface SessionRunnerOptions {
  readonly config: Config;
  readonly table: SessionTable;
  readonly hosts: Pick<Hosts, 'byId' | 'lastSeenMs'>;
  readonly events: EventLog;
  readonly waker: { wake(host: HostView): Promise<void> };
  readonly clock: Clock;
  readonly log: Logger;
  /** Stored bytes of an average chunk of the image, to weigh a pass. */
  bytesPerChunk(live: LiveSession): number;
  /** The host took leave: it has been told to reboot or to power off, and its agent has not come back since. */
  hasLeft(hostId: number): boolean;
  /** A task moved: its host has another order, or none. */
  onTaskMoved(live: LiveSession, task: LiveTask): void;
  onChange(sessionId: number): void;
}

/** A pass, or a restart of the daemon, is followed by so much patience for hosts that prepare. */
const SETTLE_MS = 15_000;
/** Hosts woken in one tick: a room that starts at once trips its fuse. */
const WAKES_PER_TICK = 20;
const MAX_FRUITLESS_PASSES = 2;
/** What a host of a running cast comes to when the cast has brought it all, which says that the sender is about to end. */
const SERVED_STATES: readonly TaskState[] = ['verifying', 'finishing', 'succeeded'];

export class SessionRunner {
  readonly sessions = new Map<number, LiveSession>();
  /** The running task of each host. */
  readonly tasksByHost = new Map<number, { readonly live: LiveSession; readonly task: LiveTask }>();
  passes: PassRunner | undefined;
  isStopped = false;
  #options: SessionRunnerOptions;
  #limits: TaskLimits;
  #startedMs: number;
  #wakesLeft = WAKES_PER_TICK;

  constructor(options: SessionRunnerOptions) {
    this.#options = options;
    this.#limits = { ...options.config.session, receiveTimeoutS: options.config.cast.receiveTimeoutS };
    this.#startedMs = options.clock.nowMs();
  }

  /** Takes a running session from the database into memory. */
  load(sessionId: number): LiveSession {
    const { table, clock } = this.#options;
    const row = table.session(sessionId)!;
    const live = new LiveSession(row, table.tasksOf(sessionId), table.castsOf(sessionId), clock.nowMs(), SETTLE_MS);
    this.sessions.set(sessionId, live);
    for (const task of live.tasks.values()) {
      if (!isTaskEnded(task.row.state)) this.tasksByHost.set(task.row.hostId, { live, task });
    }
    return live;
  }

  /** Decides everything that time may have changed. */
  tick(): void {
    this.#wakesLeft = WAKES_PER_TICK;
    for (const live of [...this.sessions.values()]) {
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
    do {
      for (const task of live.tasks.values()) this.#decideTask(live, task);
    } while (this.#decideSession(live));
  }

  /** Decides one task; the session only when the task moved, so that a report costs the same in a session of any size. */
  settleTask(live: LiveSession, task: LiveTask): void {
    if (this.isStopped || !this.#decideTask(live, task)) return;
    if (this.#decideSession(live)) this.settle(live);
  }

  /** Notes a report about the present order of a task. */
  noteReport(live: LiveSession, task: LiveTask, report: Report): void {
    const before = task.report?.progress;
    const now = report.progress;
    if (now !== undefined && (now.doneBytes !== before?.doneBytes || now.phase !== before.phase)) {
      task.movedAtMs = this.#options.clock.nowMs();
    }
    task.report = report.progress === undefined && before !== undefined ? { ...report, progress: before } : report;
    this.#options.onChange(live.row.sessionId);
    this.settleTask(live, task);
  }

  /** Moves several tasks, and what else must be true with them, in one transaction. */
  moveTasks(live: LiveSession, moves: readonly { task: LiveTask; move: TaskMove }[], alsoCommit?: () => void): void {
    const { table, events, clock } = this.#options;
    const nowMs = clock.nowMs();
    const changes = moves.map(({ task, move }) => ({ task, move, change: this.#changeOf(task, move, nowMs) }));
    table.transaction(() => {
      for (const { task, move, change } of changes) {
        table.moveTask(task.row, change, nowMs);
        const { sessionId, hostId, host } = task.row;
        const text = sayTaskMove(task.row, move, task.holes?.count);
        events.add({ subject: 'task', action: move.to, text, sessionId, hostId, host, error: move.error });
      }
      alsoCommit?.();
    });
    for (const { task, change } of changes) this.#apply(live, task, change, nowMs);
    this.#options.onChange(live.row.sessionId);
  }

  /** Commits a move of the session and, in the same transaction, `alsoCommit`. */
  moveSession(live: LiveSession, to: SessionState, alsoCommit?: () => void): void {
    const { table, events, clock } = this.#options;
    const { row, counts } = live;
    if (!sessionMoves[row.state].includes(to)) throw new Error(`session ${row.sessionId}: ${row.state} to ${to}`);
    const nowMs = clock.nowMs();
    const times = {
      ...(to === 'gathering' ? { gatheringMs: nowMs } : {}),
      ...(isSessionEnded(to) ? { endedMs: nowMs } : {}),
    };
    table.transaction(() => {
      alsoCommit?.();
      table.moveSession(row, { state: to, ...times });
      const text = saySessionMove(row, to, counts.succeeded, counts.failed);
      events.add({ subject: 'session', action: to, text, sessionId: row.sessionId });
    });
    live.row = { ...live.row, state: to, ...times };
    if (isSessionEnded(to)) this.sessions.delete(row.sessionId);
    this.#options.onChange(row.sessionId);
  }

  /** No report for a while, and its state calls for one. */
  isLost(task: LiveTask): boolean {
    const { state } = task.row;
    if (isTaskEnded(state) || state === 'pending' || state === 'booting') return false;
    return this.#silentMs(task) > this.#limits.lostAfterS * 1000;
  }

  #decideTask(live: LiveSession, task: LiveTask, isRepairTime = false): boolean {
    let hasMoved = false;
    // The longest chain without outside help is pending, booting, preparing.
    for (let i = 0; i < 5; i++) {
      const decision = decideTask(this.#taskFacts(live, task, isRepairTime), this.#limits);
      if (decision.move === undefined) {
        if (decision.effects.includes('keepAwake')) this.#keepAwake(live, task);
        return hasMoved;
      }
      this.moveTasks(live, [{ task, move: decision.move }]);
      hasMoved = true;
    }
    return hasMoved;
  }

  /** True when the session moved. */
  #decideSession(live: LiveSession): boolean {
    const decision = decideSession(this.#sessionFacts(live));
    if (decision.move !== undefined) {
      if (live.row.state === 'casting') {
        this.passes?.conclude(live);
        live.settleUntilMs = this.#options.clock.nowMs() + SETTLE_MS;
      }
      this.moveSession(live, decision.move);
      return !isSessionEnded(decision.move);
    }
    for (const effect of decision.effects) {
      if (effect === 'keepCast') this.passes?.keepCast(live);
      else if (effect === 'endCast') this.passes?.endUnheard(live);
      else for (const task of live.tasksIn('ready')) this.#decideTask(live, task, true);
    }
    return false;
  }

  #taskFacts(live: LiveSession, task: LiveTask, isRepairTime: boolean): TaskFacts {
    const { row, holes, report } = task;
    const nowMs = this.#options.clock.nowMs();
    const silentMs = this.#silentMs(task);
    const lastSeenMs = this.#options.hosts.lastSeenMs(row.hostId);
    const { pass } = live;
    const takesPart = pass?.order !== undefined && pass.lackedBefore.has(row.taskId);
    return {
      kind: live.row.kind,
      host: row.host,
      state: row.state,
      stateMs: Math.max(row.stateMs, this.#startedMs, this.#calledMs(live, task)),
      wasHere: row.startedMs !== undefined,
      isHere:
        lastSeenMs !== undefined &&
        !this.#options.hasLeft(row.hostId) &&
        nowMs - lastSeenMs <= this.#limits.lostAfterS * 1000,
      silentMs,
      ...(report === undefined ? {} : { status: report.status }),
      ...(report?.error === undefined ? {} : { error: report.error }),
      ...(holes === undefined ? {} : { holes: holes.count }),
      damaged: row.state === 'repairing' ? live.damagedAmong(holes) : 0,
      image: live.row.image,
      disk: describeDisk(row.disk),
      repairs: row.repairs,
      verify: live.row.kind === 'deploy' ? live.row.request.verify : 'full',
      isStarted: !['planned', 'gathering'].includes(live.row.state),
      isRepairTime,
      ...(takesPart
        ? {
            cast: {
              isEnded: pass.phase === 'ended',
              isFailed: pass.isFailed,
              quietMs: nowMs - Math.max(pass.endedAtMs, task.movedAtMs),
            },
          }
        : {}),
      nowMs,
    };
  }

  #sessionFacts(live: LiveSession): SessionFacts {
    const { row } = live;
    const nowMs = this.#options.clock.nowMs();
    const deploy = row.kind === 'deploy' ? row.request : undefined;
    return {
      kind: row.kind,
      state: row.state,
      mode: deploy?.mode ?? 'unicast',
      start: deploy?.start ?? { when: 'now' },
      isStartNow: row.isStartNow,
      gatheringMs: row.gatheringMs ?? nowMs,
      firstReadyMs: live.firstReadyMs,
      tasks: live.counts,
      cast: live.pass?.phase ?? 'none',
      isCastHeard: this.#isCastHeard(live),
      settleUntilMs: row.passes === 0 ? 0 : live.settleUntilMs,
      isPassWorth: () => this.#isPassWorth(live),
      nowMs,
    };
  }

  /** False when every host of the running cast has failed, was cancelled, is lost, or left it before its end. */
  #isCastHeard(live: LiveSession): boolean {
    const { pass } = live;
    if (pass?.phase !== 'running' || pass.view === undefined) return false;
    const isSent = pass.view.sentBytes >= pass.view.bytes;
    return pass.lackedBefore.keys().some((taskId) => {
      const task = live.tasks.get(taskId)!;
      const { state } = task.row;
      if (state === 'receiving') return !this.isLost(task);
      return SERVED_STATES.includes(state) || (isSent && state === 'ready');
    });
  }

  #isPassWorth(live: LiveSession): boolean {
    if (live.fruitlessPasses >= MAX_FRUITLESS_PASSES) return false;
    const holes = live.tasksIn('ready').flatMap((task) => (task.holes === undefined ? [] : [task.holes]));
    return holes.length > 1 && isPassWorth(holes, holes[0]!.chunkCount, this.#options.bytesPerChunk(live));
  }

  #changeOf(task: LiveTask, move: TaskMove, nowMs: number): TaskChange {
    const { row, report } = task;
    if (!taskMoves[row.state].includes(move.to)) throw new Error(`task ${row.taskId}: ${row.state} to ${move.to}`);
    const isFirst = row.startedMs === undefined && (move.to === 'preparing' || move.to === 'capturing');
    const result = report?.deployResult ?? report?.captureResult;
    return {
      state: move.to,
      ...(move.isFruitless === true ? { repairs: row.repairs + 1 } : {}),
      ...(isFirst ? { startedMs: nowMs } : {}),
      ...(isTaskEnded(move.to) ? { endedMs: nowMs } : {}),
      // An agent that begins anew says anew what it lacks; a task that has ended needs them no more.
      ...(move.to === 'preparing' || move.to === 'booting' || isTaskEnded(move.to) ? { holes: null } : {}),
      ...(move.to === 'succeeded' && result !== undefined ? { result } : {}),
      ...(move.error === undefined ? {} : { error: move.error }),
    };
  }

  #apply(live: LiveSession, task: LiveTask, change: TaskChange, nowMs: number): void {
    const { row, report } = task;
    live.counts[row.state]--;
    live.counts[change.state]++;
    if (change.state === 'ready' && live.counts.ready === 1) live.firstReadyMs = nowMs;
    const isDone = change.state === 'succeeded';
    const { holes: _wire, ...kept } = row;
    task.row = {
      ...kept,
      state: change.state,
      round: row.round + 1,
      stateMs: nowMs,
      ...(change.repairs === undefined ? {} : { repairs: change.repairs }),
      ...(change.startedMs === undefined ? {} : { startedMs: change.startedMs }),
      ...(change.endedMs === undefined ? {} : { endedMs: change.endedMs }),
      ...(change.error === undefined ? {} : { error: change.error }),
      ...(isDone && report?.deployResult !== undefined ? { deployResult: report.deployResult } : {}),
      ...(isDone && report?.captureResult !== undefined ? { captureResult: report.captureResult } : {}),
    };
    if (change.holes === null) task.holes = undefined;
    task.report = undefined;
    task.movedAtMs = nowMs;
    if (isTaskEnded(change.state)) this.tasksByHost.delete(row.hostId);
    this.#options.onTaskMoved(live, task);
  }

  #keepAwake(live: LiveSession, task: LiveTask): void {
    const { hosts, waker, clock, log } = this.#options;
    const nowMs = clock.nowMs();
    const rule = this.#wakeRule(live);
    const isSomebodyUnwoken = () => live.tasksIn('booting').some((one) => one.lastWakeMs === undefined);
    const facts = { lastWakeMs: task.lastWakeMs, wakes: live.wakes, isSomebodyUnwoken, nowMs };
    if (this.#wakesLeft === 0 || !mayWake(facts, rule)) return;
    const host = hosts.byId(task.row.hostId);
    if (host === undefined) return;
    this.#wakesLeft--;
    if (rule.wave !== undefined) live.wakes = [...recentWakes(live.wakes, rule.gapMs, nowMs), nowMs];
    task.firstWakeMs ??= nowMs;
    task.lastWakeMs = nowMs;
    // It is sent again and again; the deadline is what tells the admin.
    waker.wake(host).catch((error: unknown) => log.warn({ err: error, host: host.name }, 'wake failed'));
  }

  #wakeRule(live: LiveSession): WakeRule {
    const { wakeWave, wakeGapS }: Partial<DeployRequest> = live.row.kind === 'deploy' ? live.row.request : {};
    return {
      intervalMs: this.#options.config.session.wakeIntervalS * 1000,
      gapMs: (wakeGapS ?? DEFAULT_WAKE_GAP_S) * 1000,
      ...(wakeWave === undefined ? {} : { wave: wakeWave }),
    };
  }

  /** A host that is to be woken in a later wave is not late yet. */
  #calledMs(live: LiveSession, task: LiveTask): number {
    if (task.row.state !== 'booting') return 0;
    const isWaiting = live.row.kind === 'deploy' && live.row.request.wakeWave !== undefined;
    return task.firstWakeMs ?? (isWaiting ? this.#options.clock.nowMs() : 0);
  }

  /** The daemon's own absence does not count. */
  #silentMs(task: LiveTask): number {
    const seenMs = this.#options.hosts.lastSeenMs(task.row.hostId) ?? 0;
    return this.#options.clock.nowMs() - Math.max(seenMs, this.#startedMs);
  }
}
