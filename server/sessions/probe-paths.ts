/**
 * How fast hosts hear a probe: one behind a slow cable hears it drawn out, before it holds up a cast. A busy host hears it late
 * too, so only what is much slower than the others counts, and only when a second probe says the same. Pure.
 */
import { PROBE_DATAGRAM_BYTES } from '#protocol/probe.ts';
import { upperMedian } from './host-track.ts';
import type { ProbeHearing } from './session-probe.ts';

export interface ProbePaths {
  /** Bytes a second of the hosts that are much slower than the middle one, by task id. */
  readonly slow: ReadonlyMap<number, number>;
  /** Of the middle host, in bytes a second: at most what the probe was sent at. */
  readonly usualBytesPerSecond: number;
}

/** Slower by less, or late by less, may be a busy host. */
const SLOW_FACTOR = 2.5;
const LATE_MS = 100;

/** Undefined when nobody is much slower than the others, or most are. `count`: datagrams of a round. */
export function findSlowPaths(heard: ReadonlyMap<number, ProbeHearing>, count: number): ProbePaths | undefined {
  const paces = new Map<number, number>();
  for (const [taskId, hearing] of heard) {
    const { spanMs } = hearing;
    // The first datagram begins the span.
    if (spanMs !== undefined && hearing.heard > 1)
      paces.set(taskId, ((hearing.heard - 1) * PROBE_DATAGRAM_BYTES * 1000) / Math.max(1, spanMs));
  }
  const usualBytesPerSecond = upperMedian([...paces.values()]);
  const msAt = (pace: number) => (count * PROBE_DATAGRAM_BYTES * 1000) / pace;
  const slow = new Map(
    [...paces].filter(
      ([, pace]) => pace * SLOW_FACTOR < usualBytesPerSecond && msAt(pace) - msAt(usualBytesPerSecond) > LATE_MS,
    ),
  );
  return slow.size === 0 || slow.size > heard.size / 2 ? undefined : { slow, usualBytesPerSecond };
}

/** What both probes say: who was slow in each, at the better of its paces. */
export function confirmSlowPaths(first: ProbePaths, second: ProbePaths | undefined): ProbePaths | undefined {
  if (second === undefined) return undefined;
  const slow = new Map<number, number>();
  for (const [taskId, pace] of second.slow) {
    const before = first.slow.get(taskId);
    if (before !== undefined) slow.set(taskId, Math.max(before, pace));
  }
  if (slow.size === 0) return undefined;
  return { slow, usualBytesPerSecond: Math.min(first.usualBytesPerSecond, second.usualBytesPerSecond) };
}
