/** What the decisions about tasks and sessions look at, taken from the running session, its hosts and the clock. Changes nothing. */
import { DEFAULT_STOP_AT_FAILURES } from '#protocol/admin/deploy-api.ts';
import { describeDisk } from '#protocol/disk.ts';
import { isTaskEnded, type TaskState } from '#protocol/states.ts';
import { disksOf } from '#protocol/twin.ts';
import type { Clock } from '#system/clock.ts';
import type { Config } from '../config.ts';
import type { CastTable } from '../db/cast-table.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { interfaceCap } from '../transfer/interface-rate.ts';
import type { SessionFacts } from './decide-session.ts';
import type { TaskFacts } from './decide-task.ts';
import { upperMedian } from './host-track.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { requestOf } from './pass-cast.ts';
import {
  bestPaceOf,
  bytesPerSecondOf,
  countLacking,
  EARLIER_CASTS,
  isPassWorth,
  measurePasses,
  type PassRates,
  USUAL_GATHER_S,
  USUAL_LINK_MBIT,
} from './pass-cost.ts';
import { choosePassHosts } from './pass-hosts.ts';
import { isImageCast } from './pass-plan.ts';
import type { Wire } from './slow-cable.ts';
import type { Waking } from './waking.ts';

export interface FactsOptions {
  readonly config: Config;
  readonly hosts: Pick<Hosts, 'presence' | 'byId'>;
  readonly casts: Pick<CastTable, 'latest'>;
  readonly clock: Clock;
  readonly network: { readonly interface: string };
  /** Stored bytes of an average chunk of the image, to weigh a pass. */
  bytesPerChunk(live: LiveSession): number;
  /** The host took leave: it has been told to reboot or to power off, and its agent has not come back since. */
  hasLeft(hostId: number): boolean;
}

const MAX_FRUITLESS_PASSES = 2;
/** Three heartbeats: nobody waits longer for a host that is to come back. */
const AWAITED_SILENCE_MS = 6000;
/** What a host of a running cast comes to when the cast has brought it all, which says that the sender is about to end. */
const SERVED_STATES: readonly TaskState[] = ['verifying', 'finishing', 'succeeded'];

export class Facts {
  #options: FactsOptions;
  #waking: Waking;
  #startedMs: number;

  constructor(options: FactsOptions, waking: Waking) {
    this.#options = options;
    this.#waking = waking;
    this.#startedMs = options.clock.steadyMs();
  }

  /** `isRepairTime`: the session has decided that what is lacking is fetched over HTTP. */
  ofTask(live: LiveSession, task: LiveTask, isRepairTime: boolean): TaskFacts {
    const { row, holes, report } = task;
    const { row: session } = live;
    const nowMs = this.#options.clock.steadyMs();
    return {
      kind: session.kind === 'deploy' && session.request.audit ? 'audit' : session.kind,
      host: row.host,
      state: row.state,
      stateMs: Math.max(task.stateAtMs, this.#waking.calledMs(live, task)),
      isItsTurn: row.wave <= session.wave,
      wasHere: row.startedMs !== undefined,
      isHere: this.#isHere(row.hostId),
      silentMs: this.#silentMs(task),
      ...(report === undefined ? {} : { status: report.status }),
      ...(report?.error === undefined ? {} : { error: report.error }),
      ...(holes === undefined ? {} : { holes: holes.count }),
      damaged: row.state === 'repairing' ? live.damagedAmong(holes) : 0,
      image: session.image,
      disk: disksOf(row).map(describeDisk).join(', '),
      repairs: row.repairs,
      verify: session.kind === 'deploy' ? session.request.verify : 'full',
      isStarted: !['planned', 'gathering'].includes(session.state),
      isDeaf: row.isDeaf,
      isRepairTime,
      ...castFactsOf(live, task, nowMs),
      nowMs,
    };
  }

  ofSession(live: LiveSession): SessionFacts {
    const { row } = live;
    const nowMs = this.#options.clock.steadyMs();
    const settleUntilMs = row.passes === 0 ? 0 : live.settleUntilMs;
    const deploy = row.kind === 'deploy' ? row.request : undefined;
    return {
      kind: row.kind,
      state: row.state,
      mode: deploy?.mode ?? 'unicast',
      start: deploy?.start ?? { when: 'now' },
      isStartNow: row.isStartNow,
      gatheringMs: live.gatheringAtMs ?? nowMs,
      firstReadyMs: live.firstReadyMs,
      ...countsOf(live),
      // Not even looked at when nobody waits for them: a thousand reports in a row would look at a thousand tasks each.
      awaited: nowMs >= settleUntilMs ? 0 : live.tasksIn('preparing').filter((task) => this.#isAwaited(task)).length,
      cast: live.pass?.phase ?? 'none',
      isCastHeard: this.#isCastHeard(live),
      settleUntilMs,
      isPassWorth: () => this.#isPassWorth(live),
      nowMs,
    };
  }

  /** No report for a while, and its state calls for one. */
  isLost(task: LiveTask): boolean {
    const { state } = task.row;
    if (isTaskEnded(state) || state === 'pending' || state === 'booting') return false;
    return this.#silentMs(task) > this.#options.config.session.lostAfterS * 1000;
  }

  /** What a cast to these hosts may bring when it waits for nobody. */
  wireOf(live: LiveSession, tasks: readonly LiveTask[]): Wire {
    const { hosts, config } = this.#options;
    const ofInterface = interfaceCap(this.#options.network.interface, config.cast);
    const caps = [requestOf(live.row)?.maxMbit, config.cast.maxMbit, ofInterface].filter((cap) => cap !== undefined);
    const links = tasks.map((task) => hosts.byId(task.row.hostId)?.inventory?.linkMbit ?? USUAL_LINK_MBIT);
    return {
      seenBytesPerSecond: bestPaceOf([...this.#options.casts.latest(EARLIER_CASTS), ...live.casts]),
      promisedBytesPerSecond: bytesPerSecondOf(Math.min(upperMedian(links), ...caps)),
    };
  }

  /** Its agent spoke lately, and did not take leave. */
  #isHere(hostId: number): boolean {
    const { hosts, config } = this.#options;
    const silentMs = hosts.presence.silentMs(hostId);
    return silentMs !== undefined && !this.#options.hasLeft(hostId) && silentMs <= config.session.lostAfterS * 1000;
  }

  #isAwaited(task: LiveTask): boolean {
    return task.row.parking === undefined && this.#silentMs(task) <= AWAITED_SILENCE_MS;
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
    const hosts = choosePassHosts(live.tasksIn('ready'));
    const lacking = hosts.filter((task) => task.holes !== undefined && task.holes.count > 0);
    const holes = lacking.map((task) => task.holes!);
    if (isImageCast(live.row.passes + 1 - live.passesBefore, holes)) return true;
    if (holes.length < 2) return false;
    return isPassWorth(countLacking(holes, holes[0]!.chunkCount), this.#passRates(live, lacking));
  }

  /** As the session's own passes have shown them, or those of earlier sessions; else what the links and the caps promise. */
  #passRates(live: LiveSession, tasks: readonly LiveTask[]): PassRates {
    const { hosts, config } = this.#options;
    const links = tasks.map((task) => hosts.byId(task.row.hostId)?.inventory?.linkMbit);
    const known = links.filter((mbit) => mbit !== undefined);
    const asked = live.row.kind === 'deploy' ? live.row.request.maxMbit : undefined;
    const caps = [asked, config.cast.maxMbit].filter((cap) => cap !== undefined);
    const lineMbit = known.length === 0 ? USUAL_LINK_MBIT : Math.max(...known);
    // The slowest receiver paces a cast.
    const castMbit = Math.min(...caps, ...(known.length === 0 ? [USUAL_LINK_MBIT] : known));
    const isCapped = caps.length > 0;
    const earlier = isCapped ? [] : this.#options.casts.latest(EARLIER_CASTS);
    const seen = measurePasses([...earlier, ...live.casts]);
    const line = bytesPerSecondOf(lineMbit);
    // Parked hosts take what their disks take, by either road.
    const disks = tasks.map((task) => task.row.parking?.bytesPerSecond ?? Number.POSITIVE_INFINITY);
    return {
      bytesPerChunk: this.#options.bytesPerChunk(live),
      gatherSeconds: seen.gatherSeconds ?? USUAL_GATHER_S,
      castBytesPerSecond: Math.min(seen.castBytesPerSecond ?? bytesPerSecondOf(castMbit), ...disks.map(atLeastOne)),
      // A cast that no cap held back has shown what the network between server and hosts gives.
      lineBytesPerSecond: isCapped ? line : (seen.castBytesPerSecond ?? line),
      hostBytesPerSecond: links.map((mbit, i) => Math.min(bytesPerSecondOf(mbit ?? lineMbit), atLeastOne(disks[i]!))),
    };
  }

  /** The daemon's own absence does not count. */
  #silentMs(task: LiveTask): number {
    const upMs = this.#options.clock.steadyMs() - this.#startedMs;
    return Math.min(this.#options.hosts.presence.silentMs(task.row.hostId) ?? Infinity, upMs);
  }
}

/** Tasks in each state, those of later waves apart. */
function countsOf(live: LiveSession): Pick<SessionFacts, 'tasks' | 'wave'> {
  const { row, counts } = live;
  if (row.kind !== 'deploy' || row.request.waves === undefined) return { tasks: counts };
  const waiting = live.waiting().length;
  const last = [...new Map(live.tasks.values().map((task) => [task.row.hostId, task.row])).values()];
  return {
    tasks: { ...counts, pending: counts.pending - waiting },
    wave: {
      waiting,
      failed: last.filter(({ state }) => state === 'failed').length,
      succeeded: last.filter(({ state, wave }) => state === 'succeeded' && wave === row.wave).length,
      stopAtFailures: row.request.stopAtFailures ?? DEFAULT_STOP_AT_FAILURES,
    },
  };
}

/** The cast that the task takes part in, if it does. */
function castFactsOf({ pass }: LiveSession, task: LiveTask, nowMs: number): Pick<TaskFacts, 'cast'> {
  if (pass?.order === undefined || !pass.lackedBefore.has(task.row.taskId)) return {};
  return {
    cast: {
      isEnded: pass.phase === 'ended',
      isFailed: pass.isFailed,
      isOneWay: pass.order.isOneWay === true,
      quietMs: nowMs - Math.max(pass.endedAtMs, task.movedAtMs),
    },
  };
}

/** A disk that stood still when its host was parked has no rate to divide by. */
function atLeastOne(bytesPerSecond: number): number {
  return Math.max(1, bytesPerSecond);
}
