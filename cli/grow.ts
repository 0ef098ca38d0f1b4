/** The value of --grow. */
import { GROW_VOLUME_PATTERN, type GrowRule } from '#protocol/grow-rule.ts';
import { usageError } from './usage-error.ts';

/** `none`, `last`, `proportional`, the number of a partition, or a logical volume. Throws USAGE. */
export function parseGrow(text: string): GrowRule {
  if (text === 'none' || text === 'last' || text === 'proportional') return text;
  const partition = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (partition > 0) return partition;
  if (isVolume(text)) return text;
  const known = 'none, last, proportional, the number of a partition, or a logical volume as GROUP/VOLUME';
  throw usageError(`--grow ${text} is none of: ${known}`, 'deploy');
}

function isVolume(text: string): text is `${string}/${string}` {
  return new RegExp(GROW_VOLUME_PATTERN).test(text);
}
