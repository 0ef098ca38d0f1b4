/**
 * EXTLINUX in the boot record of an ext or Btrfs volume: like that of FAT, it says where on the disk its volume begins (u32 at 28, "hidden
 * sectors", little-endian), for BIOSes and boot records that do not hand it over. Written by extlinux(1) when it is installed.
 */
import type { FitChange } from '#protocol/fit.ts';

const HIDDEN_AT = 28;
const SECTOR_BYTES = 512;

/** Of the first sector of a volume. */
export function hasExtlinux(sector: Buffer): boolean {
  const name = sector.toString('latin1', 3, 11);
  return sector.readUInt16LE(510) === 0xaa55 && (name === 'EXTLINUX' || name === 'SYSLINUX');
}

/** The boot record for the new place; undefined: it has not moved, or the number was another one before. Pure. */
export function moveExtlinux(
  sector: Buffer,
  { fromStartBytes, startBytes }: Pick<FitChange, 'fromStartBytes' | 'startBytes'>,
): Buffer | undefined {
  if (fromStartBytes === startBytes || sector.readUInt32LE(HIDDEN_AT) !== fromStartBytes / SECTOR_BYTES)
    return undefined;
  const moved = Buffer.from(sector);
  moved.writeUInt32LE(startBytes / SECTOR_BYTES, HIDDEN_AT);
  return moved;
}
