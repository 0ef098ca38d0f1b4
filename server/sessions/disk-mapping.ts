/** Which disk of a host takes which disk of an image of several. Pure. */
import type { Disk } from '#protocol/disk.ts';
import { chooseDisks, judgeDisks, listDisks, rulesOf } from '#protocol/disk-rule.ts';
import { knownError } from '#protocol/errors.ts';
import type { Layout } from '#protocol/layout.ts';

/** Share by which a disk may be larger or smaller than the source's to be taken for its like. */
const SIZE_TOLERANCE = 0.1;

/**
 * A disk for each layout, in their order: by as many rules as there are layouts, or, with one rule or none, because each layout has just
 * one disk of about its size and the same sectors among those that qualify and meet the rule, each another one. Throws
 * DISKS_UNMAPPED when that is not so, and as chooseDisks.
 */
export function mapDisks(
  layouts: readonly Layout[],
  disks: readonly Disk[],
  rule: string | undefined,
  host: string,
): Disk[] {
  const rules = rulesOf(rule).length;
  if (rules === layouts.length) return chooseDisks(disks, rule, host);
  const judged = judgeDisks(disks, rule);
  const fitting = judged.filter(({ whyNot }) => whyNot === undefined).map(({ disk }) => disk);
  const alike = layouts.map((layout) => fitting.filter((disk) => isAlike(disk, layout)));
  const mapped = alike.flatMap((candidates) => (candidates.length === 1 ? candidates : []));
  if (rules === 1 && new Set(mapped).size === layouts.length) return mapped;
  const sizes = layouts.map(({ diskBytes }) => `${(diskBytes / 1e9).toFixed(1)} GB`).join(', ');
  throw knownError('DISKS_UNMAPPED', { host, count: layouts.length, sizes, disks: listDisks(judged) });
}

function isAlike(disk: Disk, layout: Layout): boolean {
  const isOfSize = Math.abs(disk.sizeBytes - layout.diskBytes) <= layout.diskBytes * SIZE_TOLERANCE;
  return isOfSize && disk.sectorBytes === layout.sectorBytes;
}
