/** What agents are told to do and what they say of it. What they fetch and bring meanwhile is in task-data.ts. */
import type { PowerAction } from '#protocol/admin/host-api.ts';
import type { Inventory, Order, Report, ReportAnswer } from '#protocol/agent-api.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { LastTask, TaskHistory } from '../db/task-history.ts';
import type { Catalog } from '../images/catalog.ts';
import { CheckOrders } from './check-orders.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { OrderMemo } from './order-memo.ts';
import { OrderWaiters } from './order-waiters.ts';
import { powerOrder, releaseAction, releaseOrder, waitOrder } from './orders.ts';
import type { RunningSessions } from './running-sessions.ts';
import type { SessionRunner } from './session-runner.ts';
import type { TaskData } from './task-data.ts';

export interface AgentCallsOptions {
  readonly config: Config;
  readonly running: RunningSessions;
  readonly runner: SessionRunner;
  readonly taskData: Pick<TaskData, 'abandonUpload'>;
  readonly history: Pick<TaskHistory, 'lastTasks'>;
  readonly catalog: Pick<Catalog, 'noteWarnings'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class AgentCalls {
  /** What the doctor asks of hosts without a task. */
  readonly checks: CheckOrders;
  #options: AgentCallsOptions;
  #waiters: OrderWaiters;
  #memo: OrderMemo;
  /** From whose release a host may not have gone yet, by host id. */
  #lastTasks: Map<number, LastTask>;
  /** Hosts whose agents were told to reboot or power off. */
  #left = new Set<number>();
  /** What the admin wishes of hosts without a task, until their agents have started anew. A restart of the daemon forgets it. */
  #powerOrders = new Map<number, Order>();
  #stopping = new AbortController();

  constructor(options: AgentCallsOptions) {
    this.#options = options;
    this.#waiters = new OrderWaiters(options.clock);
    this.#memo = new OrderMemo(options.config.capture);
    this.checks = new CheckOrders((hostId) => this.#waiters.wakeUp(hostId));
    this.#lastTasks = new Map(options.history.lastTasks().map((last) => [last.hostId, last]));
  }

  /** Answers everybody who waits. */
  stop(): void {
    this.#stopping.abort();
  }

  orderFor(hostId: number): Order {
    const running = this.#options.running.taskOf(hostId);
    if (running !== undefined) {
      const { live, task } = running;
      const cast = live.pass?.lackedBefore.has(task.row.taskId) === true ? live.pass.order : undefined;
      const probe = live.probe?.concerns(task.row.taskId) === true ? live.probe.order : undefined;
      return this.#memo.orderOf(live.row, task.row, cast, probe);
    }
    const power = this.#powerOrders.get(hostId);
    if (power !== undefined) return power;
    const check = this.checks.orderFor(hostId);
    if (check !== undefined) return check;
    const last = this.#lastTasks.get(hostId);
    // An agent that said hello after its task ended has been released from it.
    if (last?.helloMs === undefined || last.helloMs > last.endedMs) return waitOrder();
    return releaseOrder(releaseAction(last.state, last), last.sessionId);
  }

  /** The order, as soon as its rev differs from `after`; at the latest after ORDER_WAIT_MS. */
  async awaitOrder(hostId: number, after: string, signal: AbortSignal): Promise<Order> {
    // Whoever asks is there, whatever it was told before.
    this.#left.delete(hostId);
    const until = AbortSignal.any([signal, this.#stopping.signal]);
    const order = await this.#waiters.wait(hostId, after, () => this.orderFor(hostId), until);
    if (order.kind === 'release' && order.action !== 'stay') this.#left.add(hostId);
    return order;
  }

  /** Takes a report about the present order; one about an older order only shows that the host lives. */
  async report(hostId: number, report: Report): Promise<ReportAnswer> {
    if (report.rev === this.orderFor(hostId).rev) {
      const warnings = report.captureResult?.warnings ?? [];
      // Before the report ends the task: a daemon that is killed in between is told again.
      if (warnings.length > 0) await this.#noteWarnings(hostId, warnings);
      const running = this.#options.running.taskOf(hostId);
      if (running !== undefined && report.rev === this.orderFor(hostId).rev) {
        this.#options.runner.noteReport(running.live, running.task, report);
      } else if (running === undefined) this.checks.note(hostId, report);
    }
    return { rev: this.orderFor(hostId).rev };
  }

  /** After a good hello: the agent has just started and knows nothing of its task. */
  agentArrived(hostId: number, _inventory: Inventory): void {
    this.#left.delete(hostId);
    this.#powerOrders.delete(hostId);
    // It knows nothing of what it was asked before.
    this.checks.drop(hostId);
    const last = this.#lastTasks.get(hostId);
    // After its end, whatever the clock says: it may have been set back meanwhile.
    const helloMs = Math.max(this.#options.clock.nowMs(), (last?.endedMs ?? 0) + 1);
    if (last !== undefined) this.#lastTasks.set(hostId, { ...last, helloMs });
    const running = this.#options.running.taskOf(hostId);
    if (running === undefined) return;
    const { live, task } = running;
    const { state } = task.row;
    task.report = undefined;
    if (state === 'capturing') this.#options.runner.moveTasks(live, [{ task, move: { to: 'booting' } }]);
    else if (state === 'preparing') task.holes = undefined;
    else if (state !== 'pending' && state !== 'booting') {
      this.#options.runner.moveTasks(live, [{ task, move: { to: 'preparing' } }]);
    }
    this.#options.runner.settleTask(live, task);
  }

  /** A task moved: its host has another order, or none, and a capture that will not end well frees what it uploaded. */
  taskMoved(live: LiveSession, task: LiveTask): void {
    const { taskId, hostId, state, endedMs } = task.row;
    if (endedMs !== undefined) {
      // It has said hello for this task, if it ever came.
      const helloMs = task.row.startedMs;
      const { sessionId, request } = live.row;
      const { onFailure } = request;
      const policy = { onDone: request.onDone, ...(onFailure === undefined ? {} : { onFailure }) };
      const last = { hostId, sessionId, state, endedMs, ...policy };
      // Before its end, whatever the clock says: it may have been set back meanwhile.
      this.#lastTasks.set(hostId, helloMs === undefined ? last : { ...last, helloMs: Math.min(helloMs, endedMs) });
    }
    if (state !== 'capturing' && state !== 'succeeded' && live.row.kind === 'capture') {
      void this.#options.taskData.abandonUpload(taskId);
    }
    this.#waiters.wakeUp(hostId);
  }

  /** Tells an agent that is there and has no task to reboot or switch off; may be repeated. */
  power(hostId: number, action: PowerAction): void {
    const present = this.#powerOrders.get(hostId);
    if (present?.kind === 'release' && present.action === action) return;
    this.#powerOrders.set(hostId, powerOrder(action, this.#options.clock.nowMs()));
    this.#waiters.wakeUp(hostId);
  }

  /** The order of the host has changed without a move of its task. */
  orderChanged(hostId: number): void {
    this.#waiters.wakeUp(hostId);
  }

  /** The host has a task now: what was wished before does not hold after it. */
  taskBegan(hostId: number): void {
    this.#powerOrders.delete(hostId);
    this.checks.drop(hostId);
    this.#waiters.wakeUp(hostId);
  }

  /** The host took leave: it was told to reboot or to power off, and its agent has not come back since. */
  hasLeft(hostId: number): boolean {
    return this.#left.has(hostId);
  }

  /** What the agent warns of belongs to the version that it has made. */
  async #noteWarnings(hostId: number, warnings: readonly string[]): Promise<void> {
    const live = this.#options.running.taskOf(hostId)?.live;
    if (live?.row.kind !== 'capture' || live.row.version === undefined) return;
    const { sessionId, image, version } = live.row;
    try {
      await this.#options.catalog.noteWarnings(image, version, warnings);
    } catch (error) {
      // The image is whole without them, and the session has them too.
      this.#options.log.error({ err: error, sessionId, warnings }, `The warnings of ${image} could not be kept`);
    }
  }
}
