/** Whether a disk is laid out as it should be. */
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import type { Layout, Partition } from '#protocol/layout.ts';
import { holdsHybridMbr } from './hybrid-mbr.ts';
import { readLayout } from './layout-reader.ts';

/** Reads the table back: a disk that lost it would not boot. Throws DISK_WRITE_FAILED. */
export async function checkLayout(disk: Pick<Disk, 'path' | 'sectorBytes'>, wanted: Layout): Promise<void> {
  const found = await readLayout(disk.path, disk.sectorBytes);
  if (holdsLayout(found, wanted)) return;
  const reason = 'the partition table reads back otherwise';
  throw knownError('DISK_WRITE_FAILED', { disk: disk.path, offset: 0, reason });
}

/** Everything that `wanted` says is so in `found`; what it leaves open (an id, say) was sfdisk's to choose. */
export function holdsLayout(found: Layout, wanted: Layout): boolean {
  const isSaid = (key: keyof Partition, partition: Partition, other: Partition) =>
    partition[key] === undefined || partition[key] === other[key];
  return (
    found.label === wanted.label &&
    (wanted.labelId === undefined || found.labelId === wanted.labelId) &&
    holdsHybridMbr(found, wanted) &&
    found.partitions.length === wanted.partitions.length &&
    wanted.partitions.every((partition, i) =>
      (Object.keys(partition) as (keyof Partition)[]).every((key) => isSaid(key, partition, found.partitions[i]!)),
    )
  );
}
