/** Plans, begins, runs and ends the passes of deploy sessions. */
import { randomBytes } from 'node:crypto';
import { DEFAULT_WEIGHT } from '#protocol/admin/deploy-api.ts';
import { KnownError } from '#protocol/errors.ts';
import { NONCE_BYTES } from '#protocol/frame.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { CastTable } from '../db/cast-table.ts';
import type { Catalog } from '../images/catalog.ts';
import { actingAs } from '../inventory/actor.ts';
import type { EventLog } from '../inventory/events.ts';
import type { CastEnd, CastProgress, runCast, SenderWait } from '../transfer/cast.ts';
import { type PackReader, planFrames, readFrames } from '../transfer/frame-source.ts';
import { interfaceRate, readLinkMbit } from '../transfer/interface-rate.ts';
import { PortAllocator } from '../transfer/port-allocator.ts';
import { RateShare } from '../transfer/rate-share.ts';
import type { LivePass, LiveSession, LiveTask } from './live-session.ts';
import type { Parkings } from './parkings.ts';
import {
  castOrderOf,
  castViewOf,
  modeOf,
  type PassCast,
  readableMs,
  requestOf,
  senderPlanOf,
  withProgress,
} from './pass-cast.ts';
import { choosePassHosts } from './pass-hosts.ts';
import { chunksToCast } from './pass-plan.ts';
import { PassProbe } from './pass-probe.ts';

export interface PassRunnerOptions {
  readonly config: Config;
  readonly interface: string;
  readonly runCast: typeof runCast;
  /** Of the server's address on the interface. */
  isPortFree(port: number): Promise<boolean>;
  readonly catalog: Pick<Catalog, 'loadManifest'>;
  readonly store: PackReader;
  readonly casts: CastTable;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Logger;
  /** The server's address on the interface. */
  readonly address: string;
  /** The host has another order. */
  onOrder(hostId: number): void;
  /** A ready host hears too little of a cast. */
  onDeaf(live: LiveSession, task: LiveTask, problem: string): void;
  /** What the slowest of their links carries, in Mbit/s; undefined: more than the server sends. */
  linkCapOf(tasks: readonly LiveTask[]): number | undefined;
  /** Moves these ready tasks to receiving, together with `alsoCommit`, in one transaction. */
  beginReceiving(live: LiveSession, tasks: readonly LiveTask[], alsoCommit: () => void): void;
  /** Something changed that the session's decisions look at. */
  onTurn(live: LiveSession): void;
  /** A chunk that the store does not have whole was left out. */
  onSkipped(live: LiveSession, ordinal: number, error: Error): void;
  /** Only progress changed. */
  onProgress(live: LiveSession): void;
  readonly parkings: Pick<Parkings, 'setAsideSlowLinks' | 'setAsideSlowPaths' | 'noteWait' | 'noteDropped'>;
}

/**
 * Dead hosts are dropped and slow ones parked before; this ends a cast that a host holds up whose receiver answers and whose
 * agent does not: one that is stopped, or swaps itself to death.
 */
const STALL_LIMIT_MS = 20_000;
/** A pass that leaves more than this share of what was lacking has not helped. */
const FRUITLESS_SHARE = 0.9;
/** A database that refuses is left alone for so long. */
const KEEP_AGAIN_MS = 1000;
/** Why a cast was ended, for people. */
const UNHEARD = 'no host hears it any more';

export class PassRunner {
  #options: PassRunnerOptions;
  #ports: PortAllocator;
  #rates: RateShare;
  #probe: PassProbe;

  constructor(options: PassRunnerOptions) {
    this.#options = options;
    const { config, interface: name } = options;
    this.#rates = new RateShare(() => interfaceRate(name, config.cast, readLinkMbit(name)), options.clock);
    this.#ports = new PortAllocator(options.config.cast, randomBytes(4).readUInt32LE() / 2 ** 32);
    this.#probe = new PassProbe({ ...options, ports: this.#ports });
  }

  /** Makes sure that the session has a pass for its ready tasks. Asking again is harmless. */
  keepCast(live: LiveSession): void {
    if (live.pass !== undefined) return;
    const { clock } = this.#options;
    const pass: LivePass = {
      pass: live.row.passes + 1,
      began: { nowMs: clock.nowMs(), steadyMs: clock.steadyMs() },
      phase: 'planning',
      isFailed: false,
      endedAtMs: 0,
      abort: new AbortController(),
      order: undefined,
      view: undefined,
      lackedBefore: new Map(),
      finished: Promise.resolve(),
    };
    live.pass = pass;
    // A pass goes on for long after the call that happened to begin it.
    pass.finished = actingAs(undefined, () =>
      this.#run(live, pass)
        .catch((error: unknown) => this.#failed(live, pass, error))
        .then(() => this.#options.onTurn(live))
        // The next tick comes to the same session again.
        .catch((error: unknown) => this.#options.log.error({ err: error }, 'what became of a pass cannot be kept')),
    );
  }

  /** Ends a cast that no host hears any more. May be repeated. */
  endUnheard(live: LiveSession): void {
    live.pass?.abort.abort(UNHEARD);
  }

  /** Takes leave of a pass whose hosts have all reported, and judges it. */
  conclude(live: LiveSession): void {
    const { pass } = live;
    if (pass === undefined) return;
    live.pass = undefined;
    // Once more: its end may have come while the database could not be written.
    if (pass.view?.endedAtMs !== undefined) this.#options.casts.update(pass.view);
    let before = 0;
    let after = 0;
    for (const [taskId, lacked] of pass.lackedBefore) {
      const task = live.tasks.get(taskId)!;
      before += lacked;
      after += task.row.endedMs === undefined ? (task.holes?.count ?? lacked) : 0;
    }
    if (before === 0 || after > before * FRUITLESS_SHARE) live.fruitlessPasses++;
  }

  /** Ends the session's cast, if there is one, and waits until its sender is gone. */
  async stop(live: LiveSession): Promise<void> {
    live.pass?.abort.abort();
    await live.pass?.finished;
  }

  async #run(live: LiveSession, pass: LivePass): Promise<void> {
    const manifest = await this.#options.catalog.loadManifest(live.row.manifestId!);
    const chosen = choosePassHosts(live.tasksIn('ready')).filter(
      (task) => task.holes !== undefined && task.holes.count > 0,
    );
    const holes = chosen.map((task) => task.holes!);
    const wanted = chunksToCast(pass.pass - live.passesBefore, holes, manifest.chunkCount);
    const plan = await planFrames({ store: this.#options.store, manifest, holes: wanted });
    // A one-way cast has a rate of its own and waits for nobody.
    const quick =
      modeOf(live.row) === 'oneway' ? chosen : this.#options.parkings.setAsideSlowLinks(live, chosen, plan.bytes);
    await this.#probe.find(live, quick, plan.bytes, pass.abort.signal);
    const ports = await this.#ports.takeFree(({ portBase }) => this.#options.isPortFree(portBase + 1));
    try {
      await this.#send(live, pass, { plan, ports, hosts: wanted.count > 0 ? quick : [] });
    } finally {
      this.#ports.giveBack(ports);
    }
  }

  /** To those of the hosts that are still there. */
  async #send(
    live: LiveSession,
    pass: LivePass,
    { plan, ports, hosts }: Pick<PassCast, 'plan' | 'ports'> & { hosts: readonly LiveTask[] },
  ): Promise<void> {
    const { casts, clock, config } = this.#options;
    const { sessionId } = live.row;
    const isStillReady = (task: LiveTask) => task.row.state === 'ready' && live.tasks.get(task.row.taskId) === task;
    const tasks = choosePassHosts(hosts.filter(isStillReady));
    const isWanted = tasks.length > 0 && live.row.state === 'casting';
    if (!isWanted || pass.abort.signal.aborted) return this.#end(live, pass, true);

    const castId = `${sessionId}-${pass.pass}`;
    const linkMbit = this.#options.linkCapOf(tasks);
    const cast = { castId, nonce: randomBytes(NONCE_BYTES), ports, plan, receivers: tasks.length, linkMbit };
    const view = castViewOf(cast, pass.pass, readableMs(clock.steadyMs(), pass.began));
    pass.order = castOrderOf(live.row, cast, config);
    pass.view = view;
    for (const task of tasks) pass.lackedBefore.set(task.row.taskId, task.holes?.count ?? 0);
    pass.phase = 'running';
    this.#options.beginReceiving(live, tasks, () => casts.insert(sessionId, view));
    live.row = { ...live.row, passes: pass.pass };
    this.#say(live, 'started', `Pass ${pass.pass} begins: ${plan.frames} chunks to ${tasks.length} hosts`);
    this.#close(live, pass, await this.#cast(live, pass, cast));
  }

  #cast(live: LiveSession, pass: LivePass, planned: PassCast): Promise<CastEnd> {
    const { clock, config, parkings } = this.#options;
    const { castId, nonce } = planned;
    const frames = readFrames(planned.plan, {
      sessionId: live.row.sessionId,
      castId,
      nonce,
      onSkipped: (ordinal, error) => this.#options.onSkipped(live, ordinal, error),
    });
    const sender = senderPlanOf(live.row, planned, this.#options.interface, config);
    pass.maxMbit = sender.maxMbit;
    const part = this.#rates.join({ weight: requestOf(live.row)?.weight ?? DEFAULT_WEIGHT, maxMbit: sender.maxMbit });
    const keep = this.#keeper();
    let dropped = 0;
    const onProgress = (progress: CastProgress) => {
      part.took(progress.takenBytes);
      pass.view = withProgress(pass.view!, progress, pass.began);
      if (progress.dropped.length > dropped) {
        keep(() => {
          for (const address of progress.dropped.slice(dropped)) parkings.noteDropped(live, address);
          dropped = progress.dropped.length;
        });
      }
      this.#options.onProgress(live);
    };
    const onWait = (wait: SenderWait) => keep(() => parkings.noteWait(live, wait));
    const limits = { stallLimitMs: STALL_LIMIT_MS, startLimitMs: (sender.startTimeoutS + sender.maxWaitS) * 1000 };
    const { mbit } = part;
    const cast = this.#options.runCast({
      sender,
      frames,
      signal: pass.abort.signal,
      clock,
      ...limits,
      mbit,
      onProgress,
      onWait,
    });
    return cast.finally(part.leave);
  }

  /**
   * Does what udp-sender's words call for. They come by themselves, so nobody would catch what the database refuses while its disk is
   * full: then they are passed over for a while, and udp-sender says the same again.
   */
  #keeper(): (action: () => void) => void {
    const { clock, log } = this.#options;
    let againMs = 0;
    return (action) => {
      if (clock.steadyMs() < againMs) return;
      try {
        action();
      } catch (error) {
        againMs = clock.steadyMs() + KEEP_AGAIN_MS;
        log.warn({ err: error }, 'what udp-sender says cannot be kept');
      }
    };
  }

  /** The sender has ended by itself or was ended. */
  #close(live: LiveSession, pass: LivePass, end: CastEnd): void {
    const outcome = end.outcome === 'aborted' && pass.abort.signal.reason === UNHEARD ? UNHEARD : end.text;
    const view = { ...withProgress(pass.view!, end, pass.began), endedAtMs: this.#nowIn(pass), outcome };
    pass.view = view;
    live.casts = [...live.casts, view];
    // First of all: whatever cannot be written down, it is over.
    this.#end(live, pass, end.outcome !== 'sent');
    this.#options.casts.update(view);
    const dropped = end.dropped.length === 0 ? '' : `; dropped: ${end.dropped.join(', ')}`;
    const joined = `${end.joined.length} of ${view.receivers} hosts joined`;
    this.#say(
      live,
      'ended',
      `Pass ${pass.pass} ended: ${outcome}, ${joined}, ${end.retransmits} retransmits${dropped}`,
    );
  }

  #end(live: LiveSession, pass: LivePass, isFailed: boolean): void {
    pass.phase = 'ended';
    pass.isFailed = isFailed;
    pass.endedAtMs = this.#options.clock.steadyMs();
    this.#options.onProgress(live);
  }

  /** The pass could not be planned or its source broke. */
  #failed(live: LiveSession, pass: LivePass, error: unknown): void {
    if (pass.phase === 'ended') throw error;
    this.#end(live, pass, true);
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof KnownError) this.#options.log.warn({ err: error }, 'pass failed');
    else this.#options.log.error({ err: error }, 'pass failed by a bug');
    if (pass.view !== undefined) {
      pass.view = { ...pass.view, endedAtMs: this.#nowIn(pass), outcome: reason };
      live.casts = [...live.casts.filter(({ castId }) => castId !== pass.view!.castId), pass.view];
      this.#options.casts.update(pass.view);
    }
    this.#say(live, 'failed', `Pass ${pass.pass} could not run: ${reason}`);
  }

  #nowIn(pass: LivePass): number {
    return readableMs(this.#options.clock.steadyMs(), pass.began);
  }

  #say(live: LiveSession, action: string, text: string): void {
    this.#options.events.add({ subject: 'cast', action, text, sessionId: live.row.sessionId });
  }
}
