/** When a sleeping host is sent a magic packet. Pure. */

export interface WakeRule {
  /** Time between two magic packets to one host. */
  readonly intervalMs: number;
  /** At most so many hosts of the session are woken within `gapMs`: a room that starts at once trips its fuse. Absent: no limit. */
  readonly wave?: number;
  readonly gapMs: number;
}

export interface WakeFacts {
  /** Absent: it was not woken yet. */
  readonly lastWakeMs?: number | undefined;
  /** When hosts of the session were woken, the newest last; what is older than the gap may be missing. */
  readonly wakes: readonly number[];
  /** Asked only when it matters, because it looks at every host: does another host of the session still wait for its first packet? */
  readonly isSomebodyUnwoken: () => boolean;
  readonly nowMs: number;
}

/** Whether the host is sent a magic packet now. */
export function mayWake(facts: WakeFacts, rule: WakeRule): boolean {
  const { lastWakeMs, wakes, nowMs } = facts;
  if (lastWakeMs !== undefined && nowMs - lastWakeMs < rule.intervalMs) return false;
  if (rule.wave === undefined) return true;
  if (recentWakes(wakes, rule.gapMs, nowMs).length >= rule.wave) return false;
  // A host that does not wake up must not take the place of one that was never called.
  return lastWakeMs === undefined || !facts.isSomebodyUnwoken();
}

/** The wakes that still count for the present wave. */
export function recentWakes(wakes: readonly number[], gapMs: number, nowMs: number): readonly number[] {
  return wakes.filter((atMs) => nowMs - atMs < gapMs);
}
