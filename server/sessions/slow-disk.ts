/** Whose disk holds a cast back? A host whose buffer fills while the others' are empty. Pure. */
import { type HostTrack, IDLE_SHARE, LEAST_DELAY_MS, queueShare, rateOf, upperMedian } from './host-track.ts';

export interface DiskFacts {
  /** The hosts that hear the cast now. */
  readonly hosts: readonly HostTrack[];
  /** Stored bytes of the whole cast. */
  readonly castBytes: number;
}

export interface DiskRule {
  /** A buffer is pressing from here, in percent. */
  readonly parkQueuePercent: number;
  /** A delay of the others is worth parking from here, in percent of the time of the cast. */
  readonly parkDelayPercent: number;
}

export interface SlowDisk {
  readonly cause: 'disk';
  readonly taskId: number;
  /** How fast its disk is, and the others' at their best, in plain bytes. */
  readonly writtenBytesPerSecond: number;
  readonly othersBytesPerSecond: number;
  /** How long it would hold the others back, in ms; Infinity when its disk stands still. */
  readonly delayMs: number;
}

/**
 * The hosts to park, worst first. None when the others are slow too (then the pace is the room's), when little is left of
 * the cast (then waiting costs less), and never the last one.
 */
export function findSlowDisks(facts: DiskFacts, rule: DiskRule): SlowDisk[] {
  const { hosts, castBytes } = facts;
  if (hosts.length < 2) return [];
  const found: SlowDisk[] = [];
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
      cause: 'disk',
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
