/**
 * Who holds a cast back? udp-sender goes at the pace of the slowest receiver and never drops it (facts: one at 512 KiB/s made
 * eight hosts take 52 s instead of 3). Such a host is parked: it leaves the cast and is repaired afterwards. Pure.
 */
import { type CableFacts, type CableRule, findSlowCables, type SlowCable } from './slow-cable.ts';
import { type DiskRule, findSlowDisks, type SlowDisk } from './slow-disk.ts';

export type Straggler = SlowDisk | SlowCable;
export type StragglerRule = DiskRule & CableRule;

/** `areCablesTrusted` false: parking a host for its cable has not helped this cast. */
export function findStragglers(facts: CableFacts, rule: StragglerRule, areCablesTrusted = true): Straggler[] {
  const slowDisks = findSlowDisks(facts, rule);
  if (slowDisks.length > 0 || !areCablesTrusted) return slowDisks;
  return findSlowCables(facts, rule);
}
