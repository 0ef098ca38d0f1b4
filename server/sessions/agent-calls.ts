/** What agents ask and say: orders, reports, holes, frames, uploads. Every call is checked against the host's running task. */
import type { PowerAction } from '#protocol/admin/host-api.ts';
import type { ChunksAnswer, Inventory, ManifestAnswer, Order, Report, ReportAnswer } from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import type { Manifest } from '#protocol/manifest.ts';
import type { TaskState } from '#protocol/states.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { LastTask, TaskHistory } from '../db/task-history.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Finishers } from '../inventory/finishers.ts';
import type { Secrets } from '../inventory/secrets.ts';
import { findDamaged } from '../transfer/damage.ts';
import { planFrames, readFrames } from '../transfer/frame-source.ts';
import { Captures } from './captures.ts';
import { CheckOrders } from './check-orders.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { OrderMemo } from './order-memo.ts';
import { OrderWaiters } from './order-waiters.ts';
import { powerOrder, releaseAction, releaseOrder, secretsOfTask, waitOrder } from './orders.ts';
import type { RunningSessions } from './running-sessions.ts';
import type { SessionRunner } from './session-runner.ts';

export interface AgentCallsOptions {
  readonly config: Config;
  readonly running: RunningSessions;
  readonly runner: SessionRunner;
  readonly table: SessionTable;
  readonly history: Pick<TaskHistory, 'lastTasks'>;
  readonly events: EventLog;
  readonly finishers: Pick<Finishers, 'read'>;
  readonly secrets: Pick<Secrets, 'read'>;
  readonly catalog: Pick<Catalog, 'readManifest' | 'loadManifest' | 'addVersion' | 'noteWarnings'>;
  readonly store: Pick<ChunkStore, 'locate' | 'readAt' | 'beginIntake'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Steps at whose end an agent says what it lacks. */
const HOLE_STATES: readonly TaskState[] = ['preparing', 'receiving', 'repairing', 'verifying'];

/** In all of them an agent that has just prepared may work on the disk. */
const SECRET_STATES: readonly TaskState[] = ['capturing', 'preparing', 'ready', ...HOLE_STATES.slice(1), 'finishing'];

export class AgentCalls {
  /** What the doctor asks of hosts without a task. */
  readonly checks: CheckOrders;
  #options: AgentCallsOptions;
  #captures: Captures;
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
    this.#captures = new Captures(options);
    this.#waiters = new OrderWaiters(options.clock);
    this.#memo = new OrderMemo(options.config.capture);
    this.checks = new CheckOrders((hostId) => this.#waiters.wakeUp(hostId));
    this.#lastTasks = new Map(options.history.lastTasks().map((last) => [last.hostId, last]));
  }

  /** Answers everybody who waits and gives up all uploads. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#captures.stop();
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

  /** Only of the image of the host's own task. Throws TASK_STALE, DENIED. */
  async readManifest(hostId: number, manifestId: string): Promise<Buffer> {
    const { live } = this.#taskOf(hostId, undefined);
    if (live.row.manifestId !== manifestId) throw knownError('DENIED', { reason: 'it is not the image of your task' });
    return this.#options.catalog.readManifest(manifestId);
  }

  /** An own finisher of the host's task, while it finishes. Throws TASK_STALE, DENIED, FINISHER_DAMAGED. */
  async readFinisher(hostId: number, digest: string): Promise<Buffer> {
    const { task } = this.#taskOf(hostId, undefined, ['finishing']);
    const step = task.row.finishers?.find((one) => one.digest === digest);
    if (step === undefined) throw knownError('DENIED', { reason: 'it is no finisher of your task' });
    return this.#options.finishers.read(step.name, digest);
  }

  /** A secret that the host's task names, while it works. It is noted that it was given. Throws TASK_STALE, DENIED, SECRET_UNKNOWN. */
  async readSecret(hostId: number, taskId: number, name: string): Promise<Buffer> {
    const { live, task } = this.#taskOf(hostId, taskId, SECRET_STATES);
    const { sessionId } = live.row;
    if (!secretsOfTask(live.row, task.row)?.includes(name))
      throw knownError('DENIED', { reason: 'your task names no such secret' });
    const secret = await this.#options.secrets.read(name);
    const { host } = task.row;
    const text = `${host} is given the secret ${name}`;
    this.#options.events.add({ subject: 'secret', action: 'given', text, sessionId, hostId, host });
    return secret;
  }

  /** What the host lacks now. Throws TASK_STALE, INVALID_REQUEST. */
  async putHoles(hostId: number, taskId: number, bytes: Buffer): Promise<void> {
    const { live, task } = this.#taskOf(hostId, taskId, HOLE_STATES);
    const { round } = task.row;
    const manifest = await this.#options.catalog.loadManifest(live.row.manifestId!);
    const holes = HoleSet.decode(bytes, manifest.chunkCount);
    if (holes === undefined) throw knownError('INVALID_REQUEST', { problem: 'the holes do not fit the manifest' });
    if (task.row.state === 'repairing' && holes.count > 0) await this.#lookForDamage(live, manifest, holes);
    if (task.row.round !== round) throw staleTask(taskId, task.row.state);
    const have = holes.chunkCount - holes.count;
    this.#options.table.setHoles(taskId, bytes, have);
    task.holes = holes;
    task.row = { ...task.row, have };
  }

  /** The frames of the chunks that the host wants. Throws TASK_STALE, INVALID_REQUEST. */
  async frames(hostId: number, taskId: number, wanted: Buffer, nonce: Uint8Array): Promise<AsyncIterable<Buffer>> {
    const { live } = this.#taskOf(hostId, taskId, ['repairing']);
    const { store, catalog } = this.#options;
    const manifest = await catalog.loadManifest(live.row.manifestId!);
    const holes = HoleSet.decode(wanted, manifest.chunkCount);
    if (holes === undefined)
      throw knownError('INVALID_REQUEST', { problem: 'the chunks wanted do not fit the manifest' });
    const plan = await planFrames({ store, manifest, holes });
    const onSkipped = (ordinal: number, error: Error) => this.noteDamaged(live, ordinal, error.message);
    return readFrames(plan, { sessionId: live.row.sessionId, castId: `repair-${taskId}`, nonce, onSkipped });
  }

  /** Throws TASK_STALE. */
  async lacking(hostId: number, taskId: number, ids: Buffer): Promise<Buffer> {
    this.#taskOf(hostId, taskId, ['capturing']);
    return this.#captures.lacking(taskId, ids);
  }

  /** Throws TASK_STALE, STREAM_CORRUPT, CHUNK_CORRUPT, STORE_FULL. */
  async chunks(hostId: number, taskId: number, stream: AsyncIterable<Uint8Array>): Promise<ChunksAnswer> {
    this.#taskOf(hostId, taskId, ['capturing']);
    return this.#captures.chunks(taskId, stream);
  }

  /** Makes the image version. Throws TASK_STALE, MANIFEST_CORRUPT, CHUNK_MISSING, STORE_FULL. */
  async manifest(hostId: number, taskId: number, bytes: Buffer): Promise<ManifestAnswer> {
    const { live, task } = this.#taskOf(hostId, taskId, ['capturing']);
    const { sessionId, image } = live.row;
    const answer = await this.#captures.manifest({ taskId, image, host: task.row.host }, bytes);
    this.#options.table.setVersion(sessionId, answer.version, answer.manifestId);
    live.row = { ...live.row, version: answer.version, manifestId: answer.manifestId };
    return answer;
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
      this.#lastTasks.set(hostId, helloMs === undefined ? last : { ...last, helloMs });
    }
    if (state !== 'capturing' && state !== 'succeeded' && live.row.kind === 'capture') {
      void this.#captures.abandon(taskId);
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

  /** Frees what a capture task has uploaded. May be repeated. */
  abandonUpload(taskId: number): Promise<void> {
    return this.#captures.abandon(taskId);
  }

  /** Notes, once, a chunk that the store does not have whole. */
  noteDamaged(live: LiveSession, ordinal: number, problem: string): void {
    if (!live.addDamaged(ordinal)) return;
    const { sessionId, image } = live.row;
    const text = `Chunk ${ordinal} of ${image} cannot be sent: ${problem}`;
    this.#options.events.add({ subject: 'image', action: 'damaged', text, sessionId });
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

  /** After a repair something still lacks: is it the store's fault? */
  async #lookForDamage(live: LiveSession, manifest: Manifest, holes: HoleSet): Promise<void> {
    const plan = await planFrames({ store: this.#options.store, manifest, holes });
    for (const ordinal of await findDamaged(plan, manifest.chunkCount)) {
      this.noteDamaged(live, ordinal, 'its bytes in the store are not what its id says');
    }
  }

  /** The running task of a host; `taskId` and `states` are what the call is about. Throws TASK_STALE. */
  #taskOf(hostId: number, taskId: number | undefined, states?: readonly TaskState[]) {
    const running = this.#options.running.taskOf(hostId);
    if (running === undefined) throw staleTask(taskId, 'over');
    const { row } = running.task;
    if (taskId !== undefined && row.taskId !== taskId) throw staleTask(taskId, 'over');
    if (states?.includes(row.state) === false) throw staleTask(row.taskId, row.state);
    return running;
  }
}

function staleTask(taskId: number | undefined, state: string): Error {
  return knownError('TASK_STALE', { task: taskId ?? 'of this host', state });
}
