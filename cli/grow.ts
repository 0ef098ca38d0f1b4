/** The value of --grow. */
import type { GrowRule } from '#protocol/fit.ts';
import { usageError } from './usage-error.ts';

/** `none`, `last`, `proportional` or the number of a partition. Throws USAGE. */
export function parseGrow(text: string): GrowRule {
  if (text === 'none' || text === 'last' || text === 'proportional') return text;
  const partition = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (partition > 0) return partition;
  throw usageError(`--grow ${text} is none of: none, last, proportional, or the number of a partition`, 'deploy');
}
