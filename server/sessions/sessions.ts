/** The sessions: what the admin API and the agent API ask of them. */
import type {
  CaptureRequest,
  DeployPlan,
  DeployRequest,
  HostView,
  SessionView,
  VersionView,
} from '#protocol/admin-api.ts';
import type { ChunksAnswer, Inventory, ManifestAnswer, Order, Report, ReportAnswer } from '#protocol/agent-api.ts';
import { isChunkSize } from '#protocol/chunk.ts';
import { identityOf } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import type { Manifest } from '#protocol/manifest.ts';
import { isTaskEnded, type TaskState } from '#protocol/states.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/database.ts';
import { type LastTask, type NewSession, SessionTable } from '../db/session-table.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { runCast } from '../transfer/cast.ts';
import { findDamaged } from '../transfer/damage.ts';
import { planFrames, readFrames } from '../transfer/frame-source.ts';
import { Captures } from './captures.ts';
import { chooseTaskDisk, describePlan, makeDeployPlan } from './deploy-plan.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { OrderWaiters } from './order-waiters.ts';
import { orderOfTask, releaseAction, releaseOrder, waitOrder } from './orders.ts';
import { PassRunner } from './pass-runner.ts';
import { SessionRunner } from './session-runner.ts';
import { viewLive, viewStored } from './session-view.ts';

export interface SessionsOptions {
  readonly database: Database;
  readonly config: Config;
  readonly hosts: Pick<Hosts, 'get' | 'byId' | 'resolve' | 'lastSeenMs'>;
  readonly events: EventLog;
  readonly catalog: Pick<Catalog, 'list' | 'resolve' | 'readManifest' | 'loadManifest' | 'addVersion'>;
  readonly store: Pick<ChunkStore, 'locate' | 'readAt' | 'lacking' | 'beginIntake'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: { readonly interface: string; readonly address: string };
  readonly waker: { wake(host: HostView): Promise<void> };
  /** How a cast is run; a stand-in in tests that need no network. */
  readonly runCast?: typeof runCast;
}

const TICK_MS = 1000;
/** Steps at whose end an agent says what it lacks. */
const HOLE_STATES: readonly TaskState[] = ['preparing', 'receiving', 'repairing', 'verifying'];

export class Sessions {
  #options: SessionsOptions;
  #table: SessionTable;
  #runner: SessionRunner;
  #passes: PassRunner;
  #captures: Captures;
  #waiters: OrderWaiters;
  #listeners = new Set<(sessionId: number) => void>();
  /** From whose release a host may not have gone yet, by host id. */
  #lastTasks = new Map<number, LastTask>();
  /** Hosts whose agents were told to reboot or power off. */
  #left = new Set<number>();
  #bytesPerChunk = new Map<string, number>();
  #stopping = new AbortController();
  #ticking: Promise<void> = Promise.resolve();

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { database, config, events, clock, log, catalog, store } = options;
    this.#table = new SessionTable(database);
    this.#waiters = new OrderWaiters(clock);
    this.#captures = new Captures({ store, catalog, log });
    const onChange = (sessionId: number) => {
      for (const listener of this.#listeners) listener(sessionId);
    };
    this.#runner = new SessionRunner({
      ...options,
      table: this.#table,
      bytesPerChunk: (live) => this.#averageChunk(live.row.manifestId!),
      hasLeft: (hostId) => this.#left.has(hostId),
      onTaskMoved: (live, task) => this.#taskMoved(live, task),
      onChange,
    });
    this.#passes = new PassRunner({
      interface: options.network.interface,
      runCast: options.runCast ?? runCast,
      table: this.#table,
      ...{ config, catalog, store, events, clock, log },
      beginReceiving: (live, tasks, alsoCommit) =>
        this.#runner.moveTasks(
          live,
          tasks.map((task) => ({ task, move: { to: 'receiving' } })),
          alsoCommit,
        ),
      onSkipped: (live, ordinal, error) => this.#noteDamaged(live, ordinal, error.message),
      onTurn: (live) => this.#runner.settle(live),
      onProgress: (live) => onChange(live.row.sessionId),
    });
    this.#runner.passes = this.#passes;
    this.#lastTasks = new Map(this.#table.lastTasks().map((last) => [last.hostId, last]));
  }

  /** After a start of the daemon: takes up every session where it was, and begins to tick. */
  resume(): void {
    for (const row of this.#table.runningSessions()) {
      const live = this.#runner.load(row.sessionId);
      for (const cast of live.casts.filter((one) => one.endedAtMs === undefined)) {
        this.#table.updateCast({
          ...cast,
          endedAtMs: this.#options.clock.nowMs(),
          outcome: 'the daemon was restarted',
        });
      }
      live.casts = this.#table.castsOf(row.sessionId);
      // What an interrupted capture had uploaded is gone with its intake; the host begins anew and uploads only what lacks.
      this.#runner.moveTasks(
        live,
        live.tasksIn('capturing').map((task) => ({ task, move: { to: 'booting' } })),
      );
    }
    this.#runner.tick();
    this.#ticking = this.#tickUntilStopped();
  }

  /** Ends casts and uploads, and keeps all states for the next start. */
  async stop(): Promise<void> {
    this.#runner.isStopped = true;
    this.#stopping.abort();
    await Promise.all([...this.#runner.sessions.values()].map((live) => this.#passes.stop(live)));
    await this.#captures.stop();
    await this.#ticking;
  }

  /** Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, HOST_UNKNOWN, GROUP_UNKNOWN, GROUP_EMPTY, PLAN_EMPTY, DISK_RULE_INVALID. */
  async planDeploy(request: DeployRequest): Promise<DeployPlan> {
    const { catalog, hosts, config } = this.#options;
    const { image, version } = catalog.resolve(request.image);
    const chosen = hosts.resolve(request.hosts, request.groups);
    if (chosen.length === 0) throw knownError('PLAN_EMPTY');
    const { head } = await catalog.loadManifest(version.manifestId);
    const withSessions = chosen.map((host) => this.#withSession(host));
    const maxMbit = request.maxMbit ?? config.cast.maxMbit;
    return makeDeployPlan(request, { image, version, layout: head.layout }, withSessions, maxMbit);
  }

  /** Starts what the admin saw. Throws PLAN_CHANGED, PLAN_REFUSED, and all of planDeploy. */
  async startDeploy(request: DeployRequest): Promise<SessionView> {
    const plan = await this.planDeploy(request);
    const taking = plan.hosts.filter((host) => host.refused === undefined);
    const refused = plan.hosts.length - taking.length;
    if (request.planId !== plan.planId) throw knownError('PLAN_CHANGED', { what: describePlan(plan) });
    if (taking.length === 0 || (refused > 0 && !request.skipRefused))
      throw knownError('PLAN_REFUSED', { count: refused });
    return this.#start({
      kind: 'deploy',
      image: plan.image,
      version: plan.version,
      manifestId: plan.manifestId,
      request,
      tasks: taking.map(({ hostId, host, disk }) => ({ hostId, host, disk: disk! })),
    });
  }

  /** Throws HOST_UNKNOWN, HOST_PENDING, HOST_BUSY, HOST_NEVER_SEEN, DISK_NONE, DISK_AMBIGUOUS, DISK_RULE_INVALID, INVALID_REQUEST. */
  async startCapture(request: CaptureRequest): Promise<SessionView> {
    if (request.chunkBytes !== undefined && !isChunkSize(request.chunkBytes)) {
      const problem = `chunks of ${request.chunkBytes} bytes; use a power of two from 64 KiB to 4 MiB`;
      throw knownError('INVALID_REQUEST', { problem });
    }
    const host = this.#withSession(this.#options.hosts.get(request.host));
    const disk = identityOf(chooseTaskDisk(host, request.disk));
    return this.#start({
      kind: 'capture',
      image: request.image,
      request,
      tasks: [{ hostId: host.hostId, host: host.name, disk }],
    });
  }

  /** Newest first. */
  list(limit: number): SessionView[] {
    return this.#table.sessions(limit).map((row) => this.view(row.sessionId));
  }

  /** Throws SESSION_UNKNOWN. */
  view(sessionId: number): SessionView {
    const live = this.#runner.sessions.get(sessionId);
    if (live !== undefined) return viewLive(live, (task) => this.#runner.isLost(task));
    const row = this.#table.session(sessionId);
    if (row === undefined) throw knownError('SESSION_UNKNOWN', { session: sessionId });
    return viewStored(row, this.#table.tasksOf(sessionId), this.#table.castsOf(sessionId));
  }

  /** Begins with whoever is ready. May be repeated while it gathers. Throws SESSION_UNKNOWN, SESSION_ENDED, SESSION_NOT_GATHERING. */
  startNow(sessionId: number): SessionView {
    const live = this.#running(sessionId);
    if (live.row.state !== 'planned' && live.row.state !== 'gathering') {
      throw knownError('SESSION_NOT_GATHERING', { session: sessionId, state: live.row.state });
    }
    if (!live.row.isStartNow) {
      this.#table.transaction(() => {
        this.#table.setStartNow(sessionId);
        const text = `Session ${sessionId} starts with whoever is ready`;
        this.#options.events.add({ subject: 'session', action: 'start-now', text, sessionId });
      });
      live.row = { ...live.row, isStartNow: true };
    }
    this.#runner.settle(live);
    return this.view(sessionId);
  }

  /** Releases every host that has not ended, ends its cast and frees what a capture uploaded. Throws SESSION_UNKNOWN, SESSION_ENDED. */
  async cancel(sessionId: number): Promise<SessionView> {
    const live = this.#running(sessionId);
    const running = [...live.tasks.values()].filter((task) => !isTaskEnded(task.row.state));
    this.#table.transaction(() => {
      this.#runner.moveTasks(
        live,
        running.map((task) => ({ task, move: { to: 'cancelled' } })),
      );
      this.#runner.moveSession(live, 'cancelled');
    });
    await this.#passes.stop(live);
    await Promise.all(running.map((task) => this.#captures.abandon(task.row.taskId)));
    return this.view(sessionId);
  }

  runningSessionOf(hostId: number): number | undefined {
    return this.#runner.tasksByHost.get(hostId)?.live.row.sessionId;
  }

  runningCount(): number {
    return this.#runner.sessions.size;
  }

  /** Some running session, if there is one. */
  runningSession(): number | undefined {
    return this.#runner.sessions.keys().next().value;
  }

  /** A running session that deploys this image version. */
  sessionUsing(manifestId: string): number | undefined {
    for (const live of this.#runner.sessions.values()) {
      if (live.row.manifestId === manifestId) return live.row.sessionId;
    }
    return undefined;
  }

  /** The host has a running task: it boots the agent. */
  isCalled(hostId: number): boolean {
    return this.#runner.tasksByHost.has(hostId);
  }

  orderFor(hostId: number): Order {
    const running = this.#runner.tasksByHost.get(hostId);
    if (running !== undefined) {
      const { live, task } = running;
      const cast = live.pass?.lackedBefore.has(task.row.taskId) === true ? live.pass.order : undefined;
      return orderOfTask(live.row, task.row, cast, this.#options.config.capture);
    }
    const last = this.#lastTasks.get(hostId);
    // An agent that said hello after its task ended has been released from it.
    if (last?.helloMs === undefined || last.helloMs > last.endedMs) return waitOrder();
    return releaseOrder(releaseAction(last.state, last.onDone), last.sessionId);
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
  report(hostId: number, report: Report): ReportAnswer {
    const running = this.#runner.tasksByHost.get(hostId);
    if (running !== undefined && report.rev === this.orderFor(hostId).rev) {
      this.#runner.noteReport(running.live, running.task, report);
    }
    return { rev: this.orderFor(hostId).rev };
  }

  /** After a good hello: the agent has just started and knows nothing of its task. */
  agentArrived(hostId: number, _inventory: Inventory): void {
    this.#left.delete(hostId);
    const nowMs = this.#options.clock.nowMs();
    const last = this.#lastTasks.get(hostId);
    if (last !== undefined) this.#lastTasks.set(hostId, { ...last, helloMs: nowMs });
    const running = this.#runner.tasksByHost.get(hostId);
    if (running === undefined) return;
    const { live, task } = running;
    const { state } = task.row;
    task.report = undefined;
    if (state === 'capturing') this.#runner.moveTasks(live, [{ task, move: { to: 'booting' } }]);
    else if (state === 'preparing') task.holes = undefined;
    else if (state !== 'pending' && state !== 'booting') {
      this.#runner.moveTasks(live, [{ task, move: { to: 'preparing' } }]);
    }
    this.#runner.settleTask(live, task);
  }

  /** Only of the image of the host's own task. Throws TASK_STALE, DENIED. */
  async readManifest(hostId: number, manifestId: string): Promise<Buffer> {
    const { live } = this.#taskOf(hostId, undefined);
    if (live.row.manifestId !== manifestId) throw knownError('DENIED', { reason: 'it is not the image of your task' });
    return this.#options.catalog.readManifest(manifestId);
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
    this.#table.setHoles(taskId, bytes);
    task.holes = holes;
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
    const onSkipped = (ordinal: number, error: Error) => this.#noteDamaged(live, ordinal, error.message);
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
    this.#table.setVersion(sessionId, answer.version, answer.manifestId);
    live.row = { ...live.row, version: answer.version, manifestId: answer.manifestId };
    return answer;
  }

  /** Calls the listener when a session or its progress changed; returns how to stop. */
  onChange(listener: (sessionId: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #start(session: NewSession): SessionView {
    const { clock, events } = this.#options;
    const busy = session.tasks.find((task) => this.isCalled(task.hostId));
    if (busy !== undefined) {
      throw knownError('HOST_BUSY', { host: busy.host, session: this.runningSessionOf(busy.hostId)! });
    }
    const sessionId = this.#table.transaction(() => {
      const id = this.#table.insert(session, clock.nowMs());
      const what =
        session.kind === 'deploy' ? `deploys ${session.image}@${session.version} to` : `captures ${session.image} from`;
      const where = session.tasks.length === 1 ? session.tasks[0]!.host : `${session.tasks.length} hosts`;
      events.add({ subject: 'session', action: 'created', text: `Session ${id} ${what} ${where}`, sessionId: id });
      return id;
    });
    const live = this.#runner.load(sessionId);
    for (const { hostId } of session.tasks) this.#waiters.wakeUp(hostId);
    this.#runner.settle(live);
    return this.view(sessionId);
  }

  #taskMoved(live: LiveSession, task: LiveTask): void {
    const { taskId, hostId, state, endedMs } = task.row;
    if (endedMs !== undefined) {
      // It has said hello for this task, if it ever came.
      const helloMs = task.row.startedMs;
      const { sessionId } = live.row;
      const last = { hostId, sessionId, state, endedMs, onDone: live.row.request.onDone };
      this.#lastTasks.set(hostId, helloMs === undefined ? last : { ...last, helloMs });
    }
    if (state !== 'capturing' && state !== 'succeeded' && live.row.kind === 'capture') {
      void this.#captures.abandon(taskId);
    }
    this.#waiters.wakeUp(hostId);
  }

  #noteDamaged(live: LiveSession, ordinal: number, problem: string): void {
    if (!live.addDamaged(ordinal)) return;
    const { sessionId, image } = live.row;
    const text = `Chunk ${ordinal} of ${image} cannot be sent: ${problem}`;
    this.#options.events.add({ subject: 'image', action: 'damaged', text, sessionId });
  }

  /** After a repair something still lacks: is it the store's fault? */
  async #lookForDamage(live: LiveSession, manifest: Manifest, holes: HoleSet): Promise<void> {
    const plan = await planFrames({ store: this.#options.store, manifest, holes });
    for (const ordinal of await findDamaged(plan, manifest.chunkCount)) {
      this.#noteDamaged(live, ordinal, 'its bytes in the store are not what its id says');
    }
  }

  #running(sessionId: number): LiveSession {
    const live = this.#runner.sessions.get(sessionId);
    if (live !== undefined) return live;
    const row = this.#table.session(sessionId);
    if (row === undefined) throw knownError('SESSION_UNKNOWN', { session: sessionId });
    throw knownError('SESSION_ENDED', { session: sessionId, state: row.state });
  }

  /** The running task of a host; `taskId` and `states` are what the call is about. Throws TASK_STALE. */
  #taskOf(hostId: number, taskId: number | undefined, states?: readonly TaskState[]) {
    const running = this.#runner.tasksByHost.get(hostId);
    if (running === undefined) throw staleTask(taskId, 'over');
    const { row } = running.task;
    if (taskId !== undefined && row.taskId !== taskId) throw staleTask(taskId, 'over');
    if (states?.includes(row.state) === false) throw staleTask(row.taskId, row.state);
    return running;
  }

  #withSession(host: HostView): HostView {
    const session = this.runningSessionOf(host.hostId);
    return session === undefined ? host : { ...host, session };
  }

  /** Stored bytes of an average chunk of an image version. */
  #averageChunk(manifestId: string): number {
    const known = this.#bytesPerChunk.get(manifestId);
    if (known !== undefined) return known;
    const versions: VersionView[] = this.#options.catalog.list().flatMap((image) => image.versions);
    const version = versions.find((one) => one.manifestId === manifestId);
    const average = version === undefined || version.chunks === 0 ? 0 : version.storedBytes / version.chunks;
    this.#bytesPerChunk.set(manifestId, average);
    return average;
  }

  async #tickUntilStopped(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await clock.sleep(TICK_MS, this.#stopping.signal).catch(() => {});
      this.#runner.tick();
    }
  }
}

function staleTask(taskId: number | undefined, state: string): Error {
  return knownError('TASK_STALE', { task: taskId ?? 'of this host', state });
}
