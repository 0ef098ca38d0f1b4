/**
 * Which hosts a cast should begin without, because what they hear it by is known to be slow: the link of their inventory, or how
 * long a probe took to come. Reckoned in seconds of all hosts together until they have the image. Pure.
 */
import { LEAST_DELAY_MS } from './host-track.ts';
import { freePaceOf, type Wire } from './slow-cable.ts';

export interface SetAsideFacts {
  /** Stored bytes that each host takes, at most, in any order; undefined: not known, taken for as quick as the quickest. */
  readonly hostBytesPerSecond: readonly (number | undefined)[];
  /** Stored bytes of the cast. */
  readonly castBytes: number;
  readonly wire: Wire;
}

export interface SetAside {
  /** Places in `hostBytesPerSecond`. */
  readonly hosts: readonly number[];
  /** Of the cast with them, and without. */
  readonly withSeconds: number;
  readonly withoutSeconds: number;
}

/**
 * Undefined when it would not pay. Those that are set aside are served afterwards, at their own pace: that must cost them less
 * than the others gain, the others must gain more than `parkDelayPercent` and a second, and at least half of the hosts stay.
 */
export function chooseSetAside(
  facts: SetAsideFacts,
  rule: { readonly parkDelayPercent: number },
): SetAside | undefined {
  const slowest = facts.hostBytesPerSecond
    .flatMap((pace, host) => (pace === undefined ? [] : [{ host, pace }]))
    .sort((a, b) => a.pace - b.pace);
  const count = facts.hostBytesPerSecond.length;
  const [first] = slowest;
  if (first === undefined) return undefined;
  const free = freePaceOf(facts.wire, first.pace);
  const secondsAt = (pace: number | undefined) => facts.castBytes / Math.min(pace ?? free, free);
  const withSeconds = secondsAt(first.pace);
  let best: SetAside | undefined;
  let leastSum = count * withSeconds;
  for (let aside = 1; aside <= count / 2 && aside <= slowest.length; aside++) {
    const withoutSeconds = secondsAt(slowest[aside]?.pace);
    const worthSeconds = Math.max(LEAST_DELAY_MS / 1000, (withoutSeconds * rule.parkDelayPercent) / 100);
    const own = slowest.slice(0, aside).reduce((seconds, { pace }) => seconds + secondsAt(pace), 0);
    const sum = count * withoutSeconds + own;
    if (sum >= leastSum || withSeconds - withoutSeconds < worthSeconds) continue;
    leastSum = sum;
    best = { hosts: slowest.slice(0, aside).map(({ host }) => host), withSeconds, withoutSeconds };
  }
  return best;
}
