/**
 * Who holds a cast back? udp-sender goes at the pace of the slowest receiver and never drops it (facts: one at 512 KiB/s made
 * eight hosts take 52 s instead of 3). A host whose buffer fills while the others' are empty is parked: it leaves the cast
 * and is repaired afterwards. Pure.
 */
import type { StreamState } from '#protocol/agent-api.ts';

/** What one host has reported of a running cast. */
export interface StreamSample {
  readonly atMs: number;
  readonly stream: StreamState;
  /** Plain bytes that come to its disk, for people. */
  readonly writtenBytesPerSecond: number;
}

/** The recent reports of a host, and the best it has ever taken in this cast. */
export interface HostTrack {
  readonly taskId: number;
  readonly samples: readonly StreamSample[];
  /** Stored bytes it took from the wire, at the best over RATE_WINDOW_MS; later the slow one may hold all others back. */
  readonly bestTakenBytesPerSecond: number;
  readonly bestWrittenBytesPerSecond: number;
}

export interface StragglerFacts {
  /** The hosts that hear the cast now. */
  readonly hosts: readonly HostTrack[];
  /** Stored bytes of the whole cast. */
  readonly castBytes: number;
}

export interface StragglerRule {
  /** A buffer is pressing from here, in percent. */
  readonly parkQueuePercent: number;
  /** A delay of the others is worth parking from here, in percent of the time of the cast. */
  readonly parkDelayPercent: number;
}

export interface Straggler {
  readonly taskId: number;
  /** How fast its disk is, and the others' at their best, in plain bytes. */
  readonly writtenBytesPerSecond: number;
  readonly othersBytesPerSecond: number;
  /** How long it would hold the others back, in ms; Infinity when its disk stands still. */
  readonly delayMs: number;
}

/** A rate is taken over so much time: shorter, and one long write of a disk looks like a halt. */
const RATE_WINDOW_MS = 3000;
const LEAST_WINDOW_MS = 900;
/** Parking costs the host itself a repair: for less than this it is not done. */
const LEAST_DELAY_MS = 1000;
/** The others count as unhindered when the middle one's buffer is below this share. */
const IDLE_SHARE = 0.25;

export function beginTrack(taskId: number): HostTrack {
  return { taskId, samples: [], bestTakenBytesPerSecond: 0, bestWrittenBytesPerSecond: 0 };
}

/** The track with one more report. */
export function addSample(track: HostTrack, sample: StreamSample): HostTrack {
  const samples = [...track.samples, sample];
  // The oldest one that is kept is at least a whole window old.
  while (samples.length > 2 && samples[1]!.atMs <= sample.atMs - RATE_WINDOW_MS) samples.shift();
  const taken = rateOf(samples, ({ stream }) => stream.receivedBytes) ?? 0;
  return {
    taskId: track.taskId,
    samples,
    bestTakenBytesPerSecond: Math.max(track.bestTakenBytesPerSecond, taken),
    bestWrittenBytesPerSecond: Math.max(track.bestWrittenBytesPerSecond, sample.writtenBytesPerSecond),
  };
}

/**
 * The hosts to park, worst first. None when the others are slow too (then the pace is the room's), when little is left of
 * the cast (then waiting costs less), and never the last one.
 */
export function findStragglers(facts: StragglerFacts, rule: StragglerRule): Straggler[] {
  const { hosts, castBytes } = facts;
  if (hosts.length < 2) return [];
  const found: Straggler[] = [];
  for (const host of hosts) {
    const share = queueShare(host);
    if (share * 100 < rule.parkQueuePercent) continue;
    const others = hosts.filter((other) => other !== host);
    if (upperMedian(others.map(queueShare)) > IDLE_SHARE) continue;
    const pace = Math.max(host.bestTakenBytesPerSecond, upperMedian(others.map((o) => o.bestTakenBytesPerSecond)));
    const drained = rateOf(host.samples, ({ stream }) => stream.receivedBytes - stream.queuedBytes);
    if (pace === 0 || drained === undefined) continue;
    const delayMs = delayOf(host, castBytes, Math.max(0, drained), pace);
    const worthMs = Math.max(LEAST_DELAY_MS, ((castBytes / pace) * 1000 * rule.parkDelayPercent) / 100);
    if (delayMs < worthMs) continue;
    found.push({
      taskId: host.taskId,
      writtenBytesPerSecond: host.samples.at(-1)!.writtenBytesPerSecond,
      othersBytesPerSecond: upperMedian(others.map((other) => other.bestWrittenBytesPerSecond)),
      delayMs,
    });
  }
  // The others' middle one is idle, so there is always one that stays.
  return found.sort((a, b) => b.delayMs - a.delayMs);
}

/** How much later than the others this host will have taken the rest of the cast, if nothing changes. */
function delayOf(host: HostTrack, castBytes: number, drained: number, pace: number): number {
  const { receivedBytes, queuedBytes, bufferBytes } = host.samples.at(-1)!.stream;
  const leftBytes = Math.max(0, castBytes - receivedBytes);
  const waitingBytes = leftBytes - (bufferBytes - queuedBytes);
  if (waitingBytes <= 0) return 0;
  return (waitingBytes / drained - leftBytes / pace) * 1000;
}

function queueShare(host: HostTrack): number {
  const stream = host.samples.at(-1)?.stream;
  return stream === undefined || stream.bufferBytes === 0 ? 0 : stream.queuedBytes / stream.bufferBytes;
}

/** Per second, over the samples; undefined when they span too little. */
function rateOf(samples: readonly StreamSample[], read: (sample: StreamSample) => number): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs - first.atMs < LEAST_WINDOW_MS) return undefined;
  return ((read(last) - read(first)) * 1000) / (last.atMs - first.atMs);
}

function upperMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
