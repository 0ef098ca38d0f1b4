/**
 * Keeps what the hosts of running casts report about their buffers and whom udp-sender waits for, asks who is to be parked
 * (straggler.ts), and looks whether it has helped: only a cable is judged from outside, and a judgement may be wrong.
 */
import type { Progress } from '#protocol/agent-api.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { SenderWait } from '../transfer/cast.ts';
import { addSample, beginTrack, type HostTrack } from './host-track.ts';
import type { LivePass, LiveSession, LiveTask } from './live-session.ts';
import { KEPT_WAITS_MS, paceOf, type Wire } from './slow-cable.ts';
import { findStragglers, type Straggler, type StragglerRule } from './straggler.ts';

export interface StragglerWatchOptions {
  readonly rule: StragglerRule;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'trace'>;
  /** Of the deployment network. */
  addressOf(hostId: number): string | undefined;
  wireOf(live: LiveSession, tasks: readonly LiveTask[]): Wire;
}

/** Whether a cast is quicker since hosts were parked for their cables. */
export interface CableVerdict {
  readonly taskIds: readonly number[];
  readonly hasHelped: boolean;
  readonly beforeBytesPerSecond: number;
  readonly nowBytesPerSecond: number;
}

export interface StragglerNews {
  /** The hosts that are to leave the running cast now. */
  readonly park: readonly Straggler[];
  readonly verdict?: CableVerdict;
}

/** Hosts were parked for their cables: is the cast quicker without them? */
interface Trial {
  readonly taskIds: readonly number[];
  readonly addresses: readonly string[];
  /** When udp-sender was last seen to wait for one of them: leaving takes a packet through a slow cable. */
  sinceMs: number;
  /** The pace with them. */
  readonly bytesPerSecond: number;
}

/** What is known of one running cast. */
interface Watched {
  readonly tracks: Map<number, HostTrack>;
  /** By task id. They, and what the wire promises, stay the same during a cast; to look them up costs much more than all the rest. */
  readonly addresses: Map<number, string>;
  wire: Wire | undefined;
  waits: SenderWait[];
  /** Task ids of the hosts that the waits are about. */
  hearing: string;
  lookedMs: number;
  areCablesTrusted: boolean;
  trial: Trial | undefined;
}

/** With a thousand hosts a look at all of them for each report would be a million a second. */
const LOOK_EVERY_MS = 250;
/** A cast that is quicker by this factor was held back. */
const HELPED_FACTOR = 1.1;
/** So long after a parked host has left, the pace without it is known. */
const TRIAL_MS = 8000;

const nothing: StragglerNews = { park: [] };

export class StragglerWatch {
  readonly #options: StragglerWatchOptions;
  readonly #watched = new WeakMap<LivePass, Watched>();

  constructor(options: StragglerWatchOptions) {
    this.#options = options;
  }

  /** Notes a report of a host that hears the running cast. */
  note(live: LiveSession, task: LiveTask, progress: Progress | undefined): void {
    const stream = progress?.stream;
    const watched = task.row.state === 'receiving' && stream !== undefined ? this.#watch(live) : undefined;
    if (watched === undefined) return;
    const { taskId } = task.row;
    const sample = {
      atMs: this.#options.clock.steadyMs(),
      stream: stream!,
      writtenBytesPerSecond: progress!.bytesPerSecond,
    };
    watched.tracks.set(taskId, addSample(watched.tracks.get(taskId) ?? beginTrack(taskId), sample));
    this.#options.log.trace({ taskId, address: this.#addressOf(watched, task), sample }, 'straggler watch: a report');
  }

  /** Notes what udp-sender says about whom it waits for. */
  noteWait(live: LiveSession, wait: SenderWait): void {
    const watched = this.#watch(live);
    if (watched === undefined) return;
    watched.waits = [...watched.waits.filter(({ atMs }) => atMs > wait.atMs - KEPT_WAITS_MS), wait];
    this.#options.log.trace({ wait }, 'straggler watch: udp-sender waited');
  }

  look(live: LiveSession): StragglerNews {
    const watched = live.pass && this.#watched.get(live.pass);
    const view = live.pass?.view;
    if (watched === undefined || view === undefined || live.pass?.phase !== 'running') return nothing;
    const nowMs = this.#options.clock.steadyMs();
    if (nowMs - watched.lookedMs < LOOK_EVERY_MS) return nothing;
    watched.lookedMs = nowMs;
    const tasks = live.tasksIn('receiving').filter((task) => live.pass!.lackedBefore.has(task.row.taskId));
    const hearing = tasks.map(({ row }) => row.taskId).join();
    // Whoever has left is waited for no more.
    if (hearing !== watched.hearing) watched.waits = [];
    watched.hearing = hearing;
    const verdict = judge(watched, nowMs);
    const hosts = tasks.map((task) => ({
      ...(watched.tracks.get(task.row.taskId) ?? beginTrack(task.row.taskId)),
      address: this.#addressOf(watched, task),
    }));
    watched.wire ??= this.#options.wireOf(live, tasks);
    const facts = {
      hosts,
      waits: watched.waits,
      castBytes: view.bytes,
      wire: watched.wire,
    };
    const park = findStragglers(facts, this.#options.rule, watched.areCablesTrusted && watched.trial === undefined);
    return verdict === undefined ? { park } : { park, verdict };
  }

  /** These have left the running cast: from now on it is looked whether that has helped. */
  noteParked(live: LiveSession, parked: readonly Straggler[]): void {
    const watched = this.#watch(live);
    const cables = parked.filter((straggler) => straggler.cause === 'cable');
    if (watched === undefined || cables.length === 0) return;
    watched.trial = {
      taskIds: cables.map(({ taskId }) => taskId),
      addresses: cables.map(({ taskId }) => watched.addresses.get(taskId) ?? ''),
      sinceMs: this.#options.clock.steadyMs(),
      bytesPerSecond: cables[0]!.paceBytesPerSecond,
    };
  }

  #addressOf(watched: Watched, { row }: LiveTask): string {
    const known = watched.addresses.get(row.taskId) ?? this.#options.addressOf(row.hostId) ?? '';
    watched.addresses.set(row.taskId, known);
    return known;
  }

  /** Undefined when nobody can hold the session's cast back. */
  #watch(live: LiveSession): Watched | undefined {
    const { pass } = live;
    // A one-way cast has no back pressure: who is too slow loses data, and nobody waits for it.
    if (pass?.phase !== 'running' || pass.order?.isOneWay === true) return undefined;
    const known = this.#watched.get(pass);
    if (known !== undefined) return known;
    const watched: Watched = {
      ...{
        tracks: new Map(),
        addresses: new Map(),
        wire: undefined,
        waits: [],
        hearing: '',
        lookedMs: 0,
        areCablesTrusted: true,
        trial: undefined,
      },
    };
    this.#watched.set(pass, watched);
    return watched;
  }
}

/** Ends the trial when it is clear what came of it. */
function judge(watched: Watched, nowMs: number): CableVerdict | undefined {
  const { trial } = watched;
  const pace = paceOf(watched.waits)?.bytesPerSecond;
  if (trial === undefined) return undefined;
  if (watched.waits.at(-1)?.addresses.some((address) => trial.addresses.includes(address))) trial.sinceMs = nowMs;
  const hasHelped = pace !== undefined && pace >= trial.bytesPerSecond * HELPED_FACTOR;
  if (!hasHelped && nowMs - trial.sinceMs < TRIAL_MS) return undefined;
  watched.trial = undefined;
  watched.areCablesTrusted = hasHelped;
  return {
    taskIds: trial.taskIds,
    hasHelped,
    beforeBytesPerSecond: trial.bytesPerSecond,
    nowBytesPerSecond: pace ?? 0,
  };
}
