/**
 * What of a partition table sfdisk(8) would not lay again, or what a disk has beside its partitions that belongs to them. Such a disk is
 * carried to the byte: better than a table that fails on the last step of forty deployments, or data that nobody sees is missing. Pure.
 *
 * GPT header (UEFI 2.10, 5.3.2), little-endian: offset 0, 8 bytes `EFI PART`; offset 72, 8 bytes: sector at which the entries begin.
 */
import { isExtended, type Layout, type Partition } from '#protocol/layout.ts';

const ENTRIES_SECTOR = 2n;
/** Of an MBR whose disk is a dynamic one of Windows: its database lies in the last MiB, in no partition (Linux block/partitions/ldm.c). */
const LDM_TYPE = '42';

/** `gptHeader`: the second sector of a disk with a GPT. Undefined: nothing is odd. */
export function findOddity(layout: Pick<Layout, 'label' | 'partitions'>, gptHeader?: Buffer): string | undefined {
  if (gptHeader !== undefined && hasMovedEntries(gptHeader)) {
    return 'the entries of its GPT lie elsewhere than behind its header';
  }
  if (layout.label === 'dos' && layout.partitions.some(({ type }) => type === LDM_TYPE)) {
    return 'it is a dynamic disk of Windows, whose database lies behind all partitions';
  }
  const extended = layout.partitions.filter((one) => isExtended(layout, one));
  const others = layout.partitions.filter((one) => !extended.includes(one));
  const isLogical = ({ number }: Partition) => layout.label === 'dos' && number > 4;
  const logical = others.filter(isLogical);
  const primary = [...extended, ...others.filter((one) => !isLogical(one))];
  if (overlap(primary) || overlap(logical)) return 'its partitions lie over each other or in the boot record';
  if (extended.length > 1) return 'it has more than one extended partition';
  return extended[0] !== undefined && !haveRoom(logical, extended[0])
    ? 'its logical partitions leave no room for the sectors that describe them'
    : undefined;
}

function hasMovedEntries(header: Buffer): boolean {
  return header.toString('latin1', 0, 8) === 'EFI PART' && header.readBigUInt64LE(72) !== ENTRIES_SECTOR;
}

/** A bootable CD on a USB stick has partitions that begin in sector 0, and one in another. */
function overlap(alike: readonly Partition[]): boolean {
  const inOrder = alike.toSorted((a, b) => a.startSector - b.startSector);
  return inOrder.some(
    (one, i) => one.startSector === 0 || one.startSector + one.sectors > (inOrder[i + 1]?.startSector ?? Infinity),
  );
}

/** sfdisk puts the sector that describes a logical partition before it; elsewhere in the extended partition it may lie in others. */
function haveRoom(logical: readonly Partition[], extended: Partition): boolean {
  let endSector = extended.startSector;
  for (const { startSector, sectors } of logical.toSorted((a, b) => a.startSector - b.startSector)) {
    if (startSector <= endSector) return false;
    endSector = startSector + sectors;
  }
  return endSector <= extended.startSector + extended.sectors;
}
