/** When a gathering session may begin its first pass. Pure. */
import type { StartPolicy } from '#protocol/admin/deploy-api.ts';

export interface StartFacts {
  /** Hosts that are ready, hosts that are there and still prepare, and hosts whose task has not ended. */
  readonly ready: number;
  readonly preparing: number;
  readonly running: number;
  /** The admin said: start now. */
  readonly isStartNow: boolean;
  /** Since when it gathers under this policy. */
  readonly gatheringMs: number;
  /** When the first of the ready hosts became ready. */
  readonly firstReadyMs: number;
  readonly nowMs: number;
}

/** "Now" still waits so long for hosts that are a moment away from ready, so that they need no repair. */
export const NOW_SETTLE_MS = 5000;

/** A session never starts without a ready host. The conditions are joined by "or". */
export function maySessionStart(policy: StartPolicy, facts: StartFacts): boolean {
  if (facts.ready === 0) return false;
  // Hosts that failed meanwhile are not waited for.
  if (facts.ready === facts.running) return true;
  if (facts.isStartNow || policy.when === 'now') {
    if (facts.preparing === 0 || facts.nowMs >= facts.firstReadyMs + NOW_SETTLE_MS) return true;
  }
  if (policy.when === 'count' && facts.ready >= (policy.count ?? 1)) return true;
  const { deadlineS } = policy;
  return (
    deadlineS !== undefined &&
    facts.nowMs >= facts.gatheringMs + deadlineS * 1000 &&
    facts.ready >= (policy.atLeast ?? 1)
  );
}
