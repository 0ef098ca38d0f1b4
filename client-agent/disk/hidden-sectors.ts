/**
 * The boot sectors of FAT and NTFS say where on the disk their volume begins ("hidden sectors"), and boot code believes them:
 * a volume that lies elsewhere than on the source needs the number of its new place.
 *
 * Boot sector (FAT: Microsoft's FAT32 File System Specification 1.03, 3.1; NTFS: libntfs-3g, layout.h), little-endian:
 * | offset | bytes | field |
 * |-------:|------:|-------|
 * | 11 | 2 | bytes a sector |
 * | 22 | 2 | FAT: sectors of a FAT; 0 on FAT32 and NTFS |
 * | 28 | 4 | hidden sectors |
 * | 40 | 8 | NTFS: sectors of the volume; the copy of the boot sector lies behind them |
 * | 50 | 2 | FAT32: sector of the copy of the boot sector; 0 or ffff: none |
 */
import type { Disk } from '#protocol/disk.ts';
import type { FitChange } from '#protocol/fit.ts';
import { DirectFile } from './direct-file.ts';

const BOOT_SECTOR_BYTES = 512;
const HIDDEN_AT = 28;

/** A volume that lies elsewhere than on the source: its start there and here, its size there. */
export type Move = Pick<FitChange, 'filesystem' | 'fromStartBytes' | 'startBytes' | 'fromBytes'>;

/**
 * Writes the new start into the boot sector and its copy; a number that was not the source's start is left alone: whoever made
 * it meant something else. `volumeAt` is where the volume begins in the file or disk that is written.
 * May be repeated. Throws DISK_READ_FAILED, DISK_WRITE_FAILED.
 */
export function moveHiddenSectors(disk: Pick<Disk, 'path'>, move: Move, volumeAt = move.startBytes): void {
  const { filesystem, fromStartBytes, startBytes, fromBytes } = move;
  if ((filesystem !== 'ntfs' && filesystem !== 'vfat') || fromStartBytes === startBytes) return;
  const file = DirectFile.open(disk.path, 'write');
  try {
    const sector = Buffer.alloc(BOOT_SECTOR_BYTES);
    file.readAt(sector, volumeAt, sector.length);
    const copyAt = copyOffset(sector, filesystem);
    patch(file, sector, volumeAt, fromStartBytes, startBytes);
    if (copyAt === undefined || copyAt + BOOT_SECTOR_BYTES > fromBytes) return;
    file.readAt(sector, volumeAt + copyAt, sector.length);
    patch(file, sector, volumeAt + copyAt, fromStartBytes, startBytes);
  } finally {
    file.close();
  }
}

function patch(file: DirectFile, sector: Buffer, offset: number, fromBytes: number, toBytes: number): void {
  const sectorBytes = sector.readUInt16LE(11);
  const isBootSector = sector.readUInt16LE(510) === 0xaa55;
  if (!isBootSector || sectorBytes === 0 || sector.readUInt32LE(HIDDEN_AT) !== fromBytes / sectorBytes) return;
  sector.writeUInt32LE(toBytes / sectorBytes, HIDDEN_AT);
  file.writeAt(sector, offset, sector.length);
}

/** Of the copy, in bytes from the start of the volume. */
function copyOffset(sector: Buffer, filesystem: 'ntfs' | 'vfat'): number | undefined {
  const sectorBytes = sector.readUInt16LE(11);
  if (filesystem === 'ntfs') return Number(sector.readBigUInt64LE(40)) * sectorBytes;
  const copySector = sector.readUInt16LE(22) === 0 ? sector.readUInt16LE(50) : 0;
  return copySector === 0 || copySector === 0xffff ? undefined : copySector * sectorBytes;
}
