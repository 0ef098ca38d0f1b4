/** The sessions: what the admin API asks of them, and how they are wired together. What agents ask is in agent-calls.ts and task-data.ts. */
import type { CaptureRequest } from '#protocol/admin/capture-api.ts';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import type { WipePlan, WipeRequest } from '#protocol/admin/wipe-api.ts';
import { isChunkSize } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import { CastTable } from '../db/cast-table.ts';
import type { Database } from '../db/database.ts';
import type { NewSession } from '../db/session-row.ts';
import { SessionTable } from '../db/session-table.ts';
import { TaskHistory } from '../db/task-history.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Finishers } from '../inventory/finishers.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { checkName } from '../inventory/name.ts';
import type { Secrets } from '../inventory/secrets.ts';
import { runCast } from '../transfer/cast.ts';
import { readLinkMbit } from '../transfer/interface-rate.ts';
import { isUdpPortFree } from '../transfer/udp-port.ts';
import { AgentCalls } from './agent-calls.ts';
import type { TaskMove } from './decide-task.ts';
import { DeltaAdvisor } from './delta-advisor.ts';
import { diskNotesOf } from './disk-note.ts';
import { HostPower } from './host-power.ts';
import { linkCap } from './link-cap.ts';
import type { LiveTask } from './live-session.ts';
import { PassRunner } from './pass-runner.ts';
import { Planner } from './planner.ts';
import { Reports } from './reports.ts';
import { RunningSessions } from './running-sessions.ts';
import { SessionChanges } from './session-changes.ts';
import { SessionEndings } from './session-endings.ts';
import { SessionRunner } from './session-runner.ts';
import { sayOrder } from './session-text.ts';
import { viewLive, viewStored } from './session-view.ts';
import { TaskData } from './task-data.ts';
import { tasksOfWipe } from './wipe-plan.ts';

export interface SessionsOptions {
  readonly database: Database;
  readonly config: Config;
  readonly hosts: Pick<Hosts, 'get' | 'byId' | 'resolve' | 'presence' | 'noteDiskContent'>;
  readonly events: EventLog;
  readonly finishers: Pick<Finishers, 'chosenFor' | 'read'>;
  readonly secrets: Pick<Secrets, 'read' | 'requireKnown' | 'choices'>;
  readonly catalog: Pick<Catalog, 'list' | 'resolve' | 'readManifest' | 'loadManifest' | 'addVersion' | 'noteWarnings'>;
  readonly store: Pick<ChunkStore, 'locate' | 'readAt' | 'lacking' | 'beginIntake'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: { readonly interface: string; readonly address: string };
  readonly waker: { wake(host: HostView): Promise<void> };
  /** How a cast is run; a stand-in in tests that need no network. */
  readonly runCast?: typeof runCast;
  /** Whether udp-sender can have a port; by default the server's address is asked. */
  readonly isPortFree?: (port: number) => Promise<boolean>;
}

/** What the sessions are made of besides: their tables, and those that run. */
interface Parts extends SessionsOptions {
  readonly table: SessionTable;
  readonly casts: CastTable;
  readonly history: TaskHistory;
  readonly running: RunningSessions;
}

const TICK_MS = 1000;

export class Sessions {
  /** Those that run, and which task each host has. */
  readonly running: RunningSessions;
  /** What agents are told, and what they say. */
  readonly agents: AgentCalls;
  /** What agents fetch and bring for their tasks. */
  readonly taskData: TaskData;
  /** What sessions did to which host. */
  readonly reports: Reports;
  /** What changes a session while it runs. */
  readonly changes: SessionChanges;
  /** Hosts that no session has, told to go. */
  readonly power: HostPower;
  #options: SessionsOptions;
  #table: SessionTable;
  #casts: CastTable;
  #runner: SessionRunner;
  #passes: PassRunner;
  #planner: Planner;
  #endings: SessionEndings;
  #listeners = new Set<(sessionId: number) => void>();
  #stopping = new AbortController();
  #ticking: Promise<void> = Promise.resolve();

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { database, clock } = options;
    this.#table = new SessionTable(database);
    this.#casts = new CastTable(database);
    // Before anybody can look: what an earlier daemon was sending died with it.
    this.#casts.endInterrupted(clock.nowMs());
    const tables = { table: this.#table, casts: this.#casts, history: new TaskHistory(database) };
    this.running = new RunningSessions({ ...tables, clock });
    const parts = { ...options, ...tables, running: this.running };
    const delta = new DeltaAdvisor(parts);
    this.#planner = new Planner({ ...parts, delta });
    this.#runner = this.#makeRunner({ ...parts, delta });
    this.#passes = this.#makePasses();
    this.#runner.passes = this.#passes;
    const movers = { runner: this.#runner, passes: this.#passes, planner: this.#planner };
    this.taskData = new TaskData(parts);
    this.agents = new AgentCalls({ ...parts, ...movers, taskData: this.taskData });
    this.reports = new Reports(parts);
    const { agents, taskData } = this;
    this.changes = new SessionChanges({ ...parts, ...movers, agents, view: (sessionId) => this.view(sessionId) });
    this.#endings = new SessionEndings({ ...parts, ...movers, taskData, changes: this.changes });
    this.power = new HostPower({ ...parts, agents });
  }

  /** After a start of the daemon: takes up every session where it was, and begins to tick. */
  resume(): void {
    for (const row of this.#table.runningSessions()) {
      const live = this.running.load(row.sessionId);
      // What an interrupted capture had uploaded is gone with its intake; the host begins anew and uploads only what is lacking.
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
    const passes = [...this.running.all()].map((live) => this.#passes.stop(live));
    this.agents.stop();
    await Promise.all([...passes, this.taskData.stop()]);
    await this.#ticking;
  }

  /** Throws what Planner.plan throws. */
  planDeploy(request: DeployRequest): Promise<DeployPlan> {
    return this.#planner.plan(request);
  }

  /**
   * Starts what the admin saw. `alsoCommit` is called in the transaction that makes the session.
   * Throws PLAN_CHANGED, PLAN_REFUSED, and all of planDeploy.
   */
  async startDeploy(request: DeployRequest, alsoCommit?: (sessionId: number) => void): Promise<SessionView> {
    const plan = await this.planDeploy(request);
    const tasks = await this.#planner.tasksOf(plan, request, request.grow);
    const { image, version, manifestId } = plan;
    return this.#start({ kind: 'deploy', image, version, manifestId, request, tasks }, alsoCommit);
  }

  /** Throws HOST_UNKNOWN, HOST_PENDING, HOST_BUSY, HOST_NEVER_SEEN, DISK_NONE, DISK_AMBIGUOUS, DISK_RULE_INVALID, SECRET_UNKNOWN, NAME_INVALID, INVALID_REQUEST. */
  async startCapture(request: CaptureRequest): Promise<SessionView> {
    checkName(request.image, 'image');
    if (request.chunkBytes !== undefined && !isChunkSize(request.chunkBytes)) {
      const problem = `chunks of ${request.chunkBytes} bytes; use a power of two from 64 KiB to 4 MiB`;
      throw knownError('INVALID_REQUEST', { problem });
    }
    await this.#options.secrets.requireKnown(request.luksSecrets);
    const task = this.#planner.planCapture(request.host, request.disk);
    return this.#start({ kind: 'capture', image: request.image, request, tasks: [task] });
  }

  /** Throws what Planner.planWipe throws. */
  planWipe(request: WipeRequest): WipePlan {
    return this.#planner.planWipe(request);
  }

  /** Throws PLAN_CHANGED, PLAN_REFUSED, and all of planWipe. */
  startWipe(request: WipeRequest): SessionView {
    const tasks = tasksOfWipe(this.planWipe(request), request);
    return this.#start({ kind: 'wipe', image: '', request, tasks });
  }

  /** Newest first. */
  list(limit: number): SessionView[] {
    return this.#table.sessions(limit).map((row) => this.view(row.sessionId));
  }

  /** Throws SESSION_UNKNOWN. */
  view(sessionId: number): SessionView {
    const live = this.running.byId(sessionId);
    if (live !== undefined) return viewLive(live, (task) => this.#runner.facts.isLost(task));
    const row = this.#table.session(sessionId);
    if (row === undefined) throw knownError('SESSION_UNKNOWN', { session: sessionId });
    return viewStored(row, this.#table.tasksOf(sessionId), this.#casts.ofSession(sessionId));
  }

  /** Releases every host that has not ended, ends its cast and frees what a capture uploaded. Throws SESSION_UNKNOWN, SESSION_ENDED. */
  async cancel(sessionId: number): Promise<SessionView> {
    await this.#endings.cancel(this.running.get(sessionId));
    return this.view(sessionId);
  }

  /** As SessionEndings.closeWindow. */
  closeWindow(sessionId: number, schedule: string, step: 'last-call' | 'stop'): Promise<void> {
    return this.#endings.closeWindow(sessionId, schedule, step);
  }

  /** Calls the listener when a session or its progress changed; returns how to stop. */
  onChange(listener: (sessionId: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #start(session: NewSession, alsoCommit?: (sessionId: number) => void): SessionView {
    const { clock, events } = this.#options;
    this.running.requireFree(session.tasks);
    const sessionId = this.#table.transaction(() => {
      const id = this.#table.insert(session, clock.nowMs());
      const what = sayOrder(session);
      const where = session.tasks.length === 1 ? session.tasks[0]!.host : `${session.tasks.length} hosts`;
      events.add({ subject: 'session', action: 'created', text: `Session ${id} ${what} ${where}`, sessionId: id });
      alsoCommit?.(id);
      return id;
    });
    const live = this.running.load(sessionId);
    for (const { hostId } of session.tasks) this.agents.taskBegan(hostId);
    this.#runner.settle(live);
    return this.view(sessionId);
  }

  #makeRunner(parts: Parts & { readonly delta: DeltaAdvisor }): SessionRunner {
    return new SessionRunner({
      ...parts,
      bytesPerChunk: (live) => this.#planner.averageChunk(live.row.manifestId!),
      hasLeft: (hostId) => this.agents.hasLeft(hostId),
      mayHash: (live, task) => parts.delta.mayHash(live, task),
      onTaskMoved: (live, task) => {
        for (const { disk, content } of diskNotesOf(live.row, task.row)) {
          parts.hosts.noteDiskContent(task.row.hostId, disk, content);
        }
        this.agents.taskMoved(live, task);
      },
      onChange: (sessionId) => this.#changed(sessionId),
    });
  }

  #makePasses(): PassRunner {
    const { network, config, catalog, store, events, clock, log, ...standIns } = this.#options;
    return new PassRunner({
      ...network,
      ...{ config, catalog, store, events, clock, log, casts: this.#casts, parkings: this.#runner.parkings },
      runCast: standIns.runCast ?? runCast,
      isPortFree: standIns.isPortFree ?? ((port) => isUdpPortFree(network.address, port)),
      beginReceiving: (live, tasks, alsoCommit) => {
        const moves = tasks.map((task): { task: LiveTask; move: TaskMove } => ({ task, move: { to: 'receiving' } }));
        this.#runner.moveTasks(live, moves, alsoCommit);
      },
      linkCapOf: (tasks) => {
        const links = tasks.map(({ row }) => this.#options.hosts.byId(row.hostId)?.inventory?.linkMbit);
        return linkCap(links, readLinkMbit(network.interface));
      },
      onOrder: (hostId) => this.agents.orderChanged(hostId),
      onDeaf: (live, task, problem) => {
        const why = `${task.row.host} ${problem}. It fetches the image over HTTP`;
        this.#runner.moveTasks(live, [{ task, move: { to: 'repairing', why, isDeaf: true } }]);
      },
      onSkipped: (live, ordinal, error) => this.taskData.noteDamaged(live, ordinal, error.message),
      onTurn: (live) => this.#runner.settle(live),
      onProgress: (live) => this.#changed(live.row.sessionId),
    });
  }

  #changed(sessionId: number): void {
    for (const listener of this.#listeners) listener(sessionId);
  }

  async #tickUntilStopped(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await clock.sleep(TICK_MS, this.#stopping.signal).catch(() => {});
      this.#runner.tick();
    }
  }
}
