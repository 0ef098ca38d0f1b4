/** The probe before a pass: which of its hosts would hold the others back, because they hear little of it, or slowly. */
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { PortAllocator } from '../transfer/port-allocator.ts';
import { judgeHearing, sendProbe } from '../transfer/probe.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import type { Parkings } from './parkings.ts';
import { modeOf, requestOf } from './pass-cast.ts';
import { confirmSlowPaths, findSlowPaths } from './probe-paths.ts';
import { type ProbeHearing, SessionProbe } from './session-probe.ts';

export interface PassProbeOptions {
  readonly config: Config;
  readonly ports: PortAllocator;
  /** The server's address on the interface. */
  readonly address: string;
  readonly parkings: Pick<Parkings, 'setAsideSlowPaths'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the slowest of their links carries, in Mbit/s; undefined: more than the server sends. */
  linkCapOf(tasks: readonly LiveTask[]): number | undefined;
  /** The host has another order. */
  onOrder(hostId: number): void;
  /** A ready host hears too little of a cast. */
  onDeaf(live: LiveSession, task: LiveTask, problem: string): void;
}

/** Rate of a probe when the cast has no cap. */
const PROBE_MBIT = 100;

export class PassProbe {
  #options: PassProbeOptions;

  constructor(options: PassProbeOptions) {
    this.#options = options;
  }

  /**
   * Finds hosts that would hold the others back: those that hear little or nothing fetch the image over HTTP at once, those that
   * hear it slowly are set aside. Of hosts that were not probed before. `castBytes`: stored bytes of the pass.
   */
  async find(live: LiveSession, chosen: readonly LiveTask[], castBytes: number, signal: AbortSignal): Promise<void> {
    const { probePackets } = this.#options.config.cast;
    const tasks = chosen.filter((task) => task.hearing === undefined);
    if (probePackets === 0 || tasks.length === 0 || modeOf(live.row) === 'broadcast') return;
    try {
      const heard = await this.#listen(live, tasks, signal);
      this.#noteHearing(live, tasks, heard);
      const hearing = chosen.filter((task) => task.row.state === 'ready' && task.hearing === 'good');
      const suspected = findSlowPaths(heard, probePackets);
      if (suspected === undefined || modeOf(live.row) === 'oneway') return;
      const again = findSlowPaths(await this.#listen(live, hearing, signal), probePackets);
      const confirmed = confirmSlowPaths(suspected, again);
      if (confirmed !== undefined) this.#options.parkings.setAsideSlowPaths(live, hearing, castBytes, confirmed);
    } catch (error) {
      // A probe that cannot be sent must not keep anybody from the cast, which will say why.
      this.#options.log.warn({ err: error }, 'the probe failed');
    }
  }

  #noteHearing(live: LiveSession, tasks: readonly LiveTask[], heard: ReadonlyMap<number, ProbeHearing>): void {
    for (const task of tasks) {
      const hearing = heard.get(task.row.taskId);
      if (hearing === undefined) continue;
      const problem = judgeHearing(hearing.heard, hearing.of, this.#options.config.cast.probeLossPercent);
      task.hearing = problem === undefined ? 'good' : 'deaf';
      if (problem !== undefined && task.row.state === 'ready') this.#options.onDeaf(live, task, problem);
    }
  }

  /** Sends one probe; what each of the hosts that listened has heard of it, by task id. */
  async #listen(
    live: LiveSession,
    tasks: readonly LiveTask[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, ProbeHearing>> {
    const { config, clock, address, ports } = this.#options;
    const { probePackets, ttl, maxMbit } = config.cast;
    const taken = ports.take();
    const taskIds = tasks.map((task) => task.row.taskId);
    const probe = new SessionProbe(taskIds, taken, probePackets);
    live.probe = probe;
    for (const { row } of tasks) this.#options.onOrder(row.hostId);
    try {
      const asked = requestOf(live.row)?.maxMbit ?? maxMbit ?? PROBE_MBIT;
      // Quicker than the cast will be, it would fill the buffers of good ports, and accuse their hosts.
      const mbit = Math.min(asked, this.#options.linkCapOf(tasks) ?? asked);
      const send = (round: number) => sendProbe(probe.order, { address, ttl, mbit, clock }, signal, round);
      return await probe.run(send, clock, signal);
    } finally {
      live.probe = undefined;
      ports.giveBack(taken);
    }
  }
}
