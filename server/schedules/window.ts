/** What the end of a window asks of a running session. Pure. */

export interface WindowFacts {
  readonly nowMs: number;
  readonly lastCallMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly graceS: number;
}

/** What a deployment really takes, against its estimate: machines boot, disks are slower than assumed. */
const MARGIN = 1.25;

/** From then on no further host begins to write, so that those who write are done when the window ends. */
export function lastCallOf(untilMs: number, expectedSeconds: number): number {
  return untilMs - Math.ceil(expectedSeconds * MARGIN) * 1000;
}

/**
 * last-call: the hosts that are ready get their pass, those that are not are released · stop: even those that write are
 * stopped, because their grace is over.
 */
export function decideWindow(facts: WindowFacts): 'nothing' | 'last-call' | 'stop' {
  const { nowMs, lastCallMs, untilMs, graceS } = facts;
  if (untilMs === undefined || lastCallMs === undefined) return 'nothing';
  if (nowMs >= untilMs + graceS * 1000) return 'stop';
  return nowMs >= lastCallMs ? 'last-call' : 'nothing';
}
