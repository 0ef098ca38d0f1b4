/** The value of --start: when the cast begins. */
import type { StartPolicy } from '#protocol/admin/deploy-api.ts';
import { knownError } from '#protocol/errors.ts';
import { formatDuration, parseDuration } from './duration.ts';

/**
 * `all` · `now` · `N` (so many are ready) · `deadline=10m[,M]` (all, or after ten minutes whoever is ready, if at least M are)
 * · `N,deadline=10m[,M]` (N, or after ten minutes …). Throws START_INVALID.
 */
export function parseStartPolicy(text: string): StartPolicy {
  const match = /^(?:(all|now|[1-9]\d{0,5}))?(?:(?:^|(?<!^),)deadline=(\w+)(?:,([1-9]\d{0,5}))?)?$/.exec(text);
  const [, when, deadline, atLeast] = match ?? [];
  if (!match || text === '') throw knownError('START_INVALID', { start: text });
  const policy: StartPolicy =
    when === undefined || when === 'all'
      ? { when: 'all' }
      : when === 'now'
        ? { when: 'now' }
        : { when: 'count', count: Number(when) };
  if (deadline === undefined) return policy;
  const deadlineS = parseDuration(deadline);
  // Who starts now has nothing to wait for.
  if (deadlineS === undefined || policy.when === 'now') throw knownError('START_INVALID', { start: text });
  return { ...policy, deadlineS, ...(atLeast === undefined ? {} : { atLeast: Number(atLeast) }) };
}

/** What a policy means, to end the sentence "The cast starts …". */
export function describeStartPolicy(policy: StartPolicy): string {
  if (policy.when === 'now') return 'at once with whoever is ready';
  const wanted = policy.when === 'all' ? 'when all are ready' : `when ${policy.count ?? 1} are ready`;
  if (policy.deadlineS === undefined) return wanted;
  const late = policy.atLeast === undefined ? 'with whoever is ready' : `if at least ${policy.atLeast} are ready`;
  return `${wanted}, or after ${formatDuration(policy.deadlineS)} ${late}`;
}
