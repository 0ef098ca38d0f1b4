/**
 * GRUB for BIOS finds itself by numbers of sectors of the whole disk: boot.img (in the boot record, or in the first sector of a
 * partition) has that of its core, and the first sector of the core (diskboot.img) the rest of it. When the volume that holds the core
 * lies elsewhere than on the source, these numbers are put right; the core itself stays that of the system, with its own version
 * and settings, which name partitions by number or UUID.
 *
 * boot.img (GRUB 2.12, include/grub/i386/pc/boot.h), little-endian:
 * | offset | bytes | field |
 * |-------:|------:|-------|
 * | 0x5a | 2 | segment address of the core: 8000 |
 * | 0x5c | 8 | sector of the core's first sector |
 *
 * diskboot.img: from 0x1f4 downwards, entries of 12 bytes until one has no sectors:
 * | offset | bytes | field |
 * |-------:|------:|-------|
 * | 0 | 8 | first sector |
 * | 8 | 2 | sectors |
 * | 10 | 2 | segment address |
 */
import type { FitChange } from '#protocol/fit.ts';

export const GRUB_SECTOR_BYTES = 512;
const CORE_AT = 0x5c;
const FIRST_ENTRY_AT = 0x1f4;
const ENTRY_BYTES = 12;
/** Where the rest of the core is loaded (GRUB_BOOT_MACHINE_KERNEL_SEG + 0x20). */
const REST_SEGMENT = 0x820;
/** What a BIOS loads at most. */
const MOST_CORE_BYTES = 512 * 1024;
/** Code comes before it; no blocklist is so long. */
const LEAST_ENTRY_AT = 0x80;

/** Reads and writes sectors of 512 bytes of the disk. */
export interface SectorFile {
  read(sector: number): Buffer;
  write(sector: number, bytes: Buffer): void;
}

/** Whether the sector is GRUB's boot.img. Pure. */
function isGrubBoot(sector: Buffer): boolean {
  return sector.readUInt16LE(0x5a) === 0x8000 && sector.readUInt16LE(510) === 0xaa55 && sector.includes('GRUB ');
}

/** By how many sectors of 512 bytes that sector of the source has moved. Pure. */
function shiftOf(sector: number, changes: readonly FitChange[]): number {
  const at = sector * GRUB_SECTOR_BYTES;
  const change = changes.find(
    ({ fromStartBytes, fromBytes }) => fromStartBytes <= at && at < fromStartBytes + fromBytes,
  );
  return change === undefined ? 0 : (change.startBytes - change.fromStartBytes) / GRUB_SECTOR_BYTES;
}

/** boot.img for the new places, and the core's sector there; undefined: nothing of it has moved. Pure. */
function moveBoot(boot: Buffer, changes: readonly FitChange[]): { boot: Buffer; core: number } | undefined {
  const from = Number(boot.readBigUInt64LE(CORE_AT));
  const shift = shiftOf(from, changes);
  if (shift === 0) return undefined;
  const moved = Buffer.from(boot);
  moved.writeBigUInt64LE(BigInt(from + shift), CORE_AT);
  return { boot: moved, core: from + shift };
}

/** The core's first sector for the new places; the same bytes when nothing is to be moved. Pure. */
function moveCore(core: Buffer, changes: readonly FitChange[]): Buffer {
  const moved = Buffer.from(core);
  for (let at = FIRST_ENTRY_AT; at >= LEAST_ENTRY_AT; at -= ENTRY_BYTES) {
    if (moved.readUInt16LE(at + 8) === 0) break;
    const from = Number(moved.readBigUInt64LE(at));
    moved.writeBigUInt64LE(BigInt(from + shiftOf(from, changes)), at);
  }
  return moved;
}

/** Whether the sector is the first one of a core (diskboot.img). Pure. */
function isCore(sector: Buffer): boolean {
  return sector.readUInt16LE(FIRST_ENTRY_AT + 8) > 0 && sector.readUInt16LE(FIRST_ENTRY_AT + 10) === REST_SEGMENT;
}

/**
 * A core that lies where its boot.img does not look for it: an image that was made smaller does not say what has moved. It is looked for where
 * grub-install(8) puts it on GPT. Undefined: there is none.
 */
function findCore(disk: SectorFile, from: number, homes: readonly number[]): FitChange | undefined {
  const home = homes.find((sector) => isCore(disk.read(sector)));
  if (home === undefined) return undefined;
  const [fromStartBytes, startBytes] = [from * GRUB_SECTOR_BYTES, home * GRUB_SECTOR_BYTES];
  return { fromStartBytes, startBytes, fromBytes: MOST_CORE_BYTES, sizeBytes: MOST_CORE_BYTES };
}

/**
 * Puts right each GRUB whose core has moved, wherever its boot.img lies; says what it did. A second run finds the new numbers, and
 * must not move them again: whether the core's first entry follows the core tells (grub-install lays it in one piece or says so by entries).
 * `homes`: first sectors of BIOS boot partitions.
 */
export function moveGrub(
  disk: SectorFile,
  places: readonly { readonly sector: number; readonly name: string }[],
  changes: readonly FitChange[],
  homes: readonly number[] = [],
): string[] {
  return places.flatMap(({ sector, name }) => {
    const boot = disk.read(sector);
    if (!isGrubBoot(boot)) return [];
    const from = Number(boot.readBigUInt64LE(CORE_AT));
    const shifts = [...changes];
    if (shiftOf(from, changes) === 0) {
      if (isCore(disk.read(from))) return [`GRUB in ${name}: its core has not moved`];
      const found = findCore(disk, from, homes);
      if (found === undefined)
        return [`GRUB in ${name}: no core is at sector ${from}; if it boots by BIOS: grub-install`];
      shifts.unshift(found);
    }
    const moved = moveBoot(boot, shifts)!;
    const core = disk.read(moved.core);
    if (!isCore(core)) throw new Error(`GRUB in ${name}: there is no core at sector ${moved.core}`);
    const next = Number(core.readBigUInt64LE(FIRST_ENTRY_AT));
    // The core first: a boot.img that is still the old one finds nothing, and is put right when this runs again.
    if (shiftOf(next, shifts) !== 0 && next !== moved.core + 1) disk.write(moved.core, moveCore(core, shifts));
    disk.write(sector, moved.boot);
    return [`GRUB in ${name}: its core is at sector ${moved.core} now, not ${from}`];
  });
}
