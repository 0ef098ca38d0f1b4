/** What a fit changes, in words for people. */
import type { FitChange } from '#protocol/fit.ts';
import { formatBytes } from './size.ts';

/** `2 (ext4) grows by 20.0 GB, 3 (swap) moves`; numbers are those of the partitions. */
export function describeFit(changes: readonly FitChange[]): string {
  return changes.map(describeChange).join(', ');
}

/** The filesystems that were made larger: their own checkers have the last word on them. */
export function grownOf<T extends FitChange>(changes: readonly T[]): T[] {
  return changes.filter(({ fromBytes, sizeBytes }) => sizeBytes > fromBytes);
}

function describeChange({ partition, filesystem, fromBytes, sizeBytes }: FitChange): string {
  const name = [partition, filesystem === undefined ? '' : `(${filesystem})`].filter(Boolean).join(' ');
  return sizeBytes > fromBytes ? `${name} grows by ${formatBytes(sizeBytes - fromBytes)}` : `${name} moves`;
}
