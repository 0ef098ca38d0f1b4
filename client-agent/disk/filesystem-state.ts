/**
 * Whether the block map of a filesystem can be trusted. What a machine wrote just before its power failed may lie in a log, in
 * blocks that the filesystem's own bitmaps do not count as used yet; partclone goes by the bitmaps and looks at the log of ext,
 * FAT, NTFS and HFS+ only. And there are some that it reads wrongly. In each of these cases the volume is taken raw.
 *
 * Offsets in bytes from the start of the volume; numbers little-endian but for XFS and HFS+:
 * | filesystem | offset | bytes | field | source |
 * |---|---:|---:|---|---|
 * | ext | 1024 + 96, + 100 | 4 | incompatible features, 4: its journal is to be replayed; read-only ones, 0x200: bigalloc | Linux fs/ext4/ext4.h |
 * | FAT | 11 … 36 | | sizes from which the number of clusters follows; below 4085: FAT12, below 65525: FAT16 | FAT32 File System Specification 1.03, 3.5 |
 * | FAT | 54, 82 | 8 | `FAT16   `, `FAT32   ` | |
 * | FAT16, FAT32 | 37, 65 | 1 | 1: mounted by Linux, or not unmounted by it | Linux fs/fat/inode.c, fat_set_state |
 * | FAT32 | 40 | 2 | 0x80: the FATs are not copies of each other, and the last four bits say which one counts | as FAT, 3.3 |
 * | XFS | 8 | 8 | blocks | Linux fs/xfs/libxfs/xfs_format.h |
 * | XFS | 48 | 8 | block where the log begins; 0: on another device | |
 * | Btrfs | 65536 + 96, + 136 | 8 | log tree, 0: none; number of devices | Linux include/uapi/linux/btrfs_tree.h |
 * | F2FS | 1024 + 20, + 76 | 4 | log2 of blocks a segment; block of the first checkpoint | Linux include/linux/f2fs_fs.h |
 * | F2FS checkpoint | 0, 132, 136 | 8, 4, 4 | version; flags, 1: by unmounting; blocks of the pack, the last is a copy of the first | |
 * | exFAT | 106, 110 | 2, 1 | volume flags, 2: dirty; number of FATs, each with a bitmap of its own | exFAT specification, 3.1.13, 3.1.16 |
 * | HFS+ | 1024 + 4 | 4 | big-endian; attributes, 0x800: found to be damaged | Apple TN1150 |
 * | Minix 1, 2 | 1024 + 16, + 18 | 2 | magic; state, 1: clean, 2: errors | Linux include/uapi/linux/minix_fs.h |
 */
import { KnownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import type { ReadBytes } from './lvm-metadata.ts';

const SUPERBLOCK_BYTES = 4096;
const NOT_UNMOUNTED = 'it was not unmounted cleanly';
const LOG_TO_REPLAY = `${NOT_UNMOUNTED}, and what is in its log is not in its place yet`;

/** What is needed to look at one volume. */
export interface VolumeReader {
  /** Throws DISK_READ_FAILED. */
  readonly read: ReadBytes;
  /** Runs `use` with a read-only block device over the volume. */
  withDevice<T>(use: (node: string) => Promise<T>): Promise<T>;
}

/** Why the map of this filesystem must not be believed; undefined: it may. Only reads. Throws DISK_READ_FAILED, PROGRAM_MISSING. */
export async function findDistrust(type: string, volume: VolumeReader): Promise<string | undefined> {
  switch (type) {
    case 'ext2':
    case 'ext3':
    case 'ext4':
      return distrustExt(volume.read(1024, 1024));
    case 'vfat':
      return distrustFat(volume.read(0, 512));
    case 'xfs':
      return distrustXfs(volume.read(0, 512)) ?? (await distrustXfsLog(volume));
    case 'btrfs':
      return distrustBtrfs(volume.read(65536, SUPERBLOCK_BYTES));
    case 'f2fs':
      return distrustF2fs(volume.read);
    case 'exfat':
      return distrustExfat(volume.read(0, 512));
    case 'hfsplus':
      return (volume.read(1024, 512).readUInt32BE(4) & 0x800) === 0 ? undefined : 'it is marked as damaged';
    case 'minix':
      return distrustMinix(volume.read(1024, 1024));
    default:
      return undefined;
  }
}

/** Pure. */
function distrustExt(superblock: Buffer): string | undefined {
  // Its bitmaps count clusters of blocks.
  if ((superblock.readUInt32LE(100) & 0x200) !== 0) return 'partclone does not know bigalloc';
  return (superblock.readUInt32LE(96) & 0x4) === 0 ? undefined : LOG_TO_REPLAY;
}

/**
 * partclone goes by the name in the boot sector, drivers by the number of clusters; of FAT12 it reads each entry as if it had 16 bits. It
 * reads the first FAT, whichever counts, and looks for Windows' mark of a volume that was not unmounted, not for that of Linux. Pure.
 */
export function distrustFat(boot: Buffer): string | undefined {
  const [sectorBytes, clusterSectors] = [boot.readUInt16LE(11), boot.readUInt8(13)];
  const [reserved, fats, rootEntries] = [boot.readUInt16LE(14), boot.readUInt8(16), boot.readUInt16LE(17)];
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  const fatSectors = boot.readUInt16LE(22) || boot.readUInt32LE(36);
  if (sectorBytes === 0 || clusterSectors === 0) return 'its boot sector makes no sense';
  const rootSectors = Math.ceil((rootEntries * 32) / sectorBytes);
  const clusters = Math.floor((sectors - reserved - fats * fatSectors - rootSectors) / clusterSectors);
  const isFat32 = boot.readUInt16LE(22) === 0;
  if (!isFat32 && clusters < 4085) return 'partclone misreads FAT12';
  if ((boot.readUInt8(isFat32 ? 65 : 37) & 1) !== 0) return NOT_UNMOUNTED;
  const flags = isFat32 ? boot.readUInt16LE(40) : 0;
  if ((flags & 0x80) !== 0 && (flags & 0xf) !== 0) return 'partclone reads its first FAT, and another one counts';
  const name = isFat32 ? boot.toString('latin1', 82, 87) : boot.toString('latin1', 54, 59);
  return name === (isFat32 ? 'FAT32' : 'FAT16') ? undefined : `its boot sector calls it ${JSON.stringify(name)}`;
}

/** partclone counts the blocks before an allocation group in 32 bits. Pure. */
function distrustXfs(superblock: Buffer): string | undefined {
  if (superblock.readBigUInt64BE(8) > 0xffff_ffffn) return 'partclone cannot count its blocks';
  return superblock.readBigUInt64BE(48) === 0n ? 'its log lies on another device' : undefined;
}

/** xfs_logprint(8) finds the end of the log, as a mount would. */
async function distrustXfsLog(volume: VolumeReader): Promise<string | undefined> {
  try {
    const argv = (device: string) => ['xfs_logprint', '-t', device];
    const { stdout } = await volume.withDevice((device) => run(argv(device), { limitMs: 120_000 }));
    return readXfsLogState(stdout);
  } catch (error) {
    if (error instanceof KnownError && error.code === 'PROGRAM_FAILED') return 'its log cannot be read';
    throw error;
  }
}

/** `    log tail: 52 head: 52 state: <CLEAN>` (xfsprogs 6.1 and 6.13). Pure. */
export function readXfsLogState(output: string): string | undefined {
  if (/state: <CLEAN>/.test(output)) return undefined;
  return /state: <DIRTY>/.test(output) ? LOG_TO_REPLAY : 'its log cannot be read';
}

/** Its log holds what was saved by fsync(2) since the last commit: neither it nor its data is in the extent tree. Pure. */
function distrustBtrfs(superblock: Buffer): string | undefined {
  if (superblock.readBigUInt64LE(136) > 1n) return 'it spans several devices';
  return superblock.readBigUInt64LE(96) === 0n ? undefined : LOG_TO_REPLAY;
}

/** After a checkpoint that was not one of an unmount, files may have been saved that only a mount rolls forward to. */
function distrustF2fs(read: ReadBytes): string | undefined {
  const superblock = read(1024, 1024);
  const segmentBytes = 2 ** superblock.readUInt32LE(20) * SUPERBLOCK_BYTES;
  const first = superblock.readUInt32LE(76) * SUPERBLOCK_BYTES;
  const packs = [first, first + segmentBytes].map((at) => ({ at, bytes: read(at, SUPERBLOCK_BYTES) }));
  const [newest] = packs.sort((a, b) => (versionOf(a.bytes) > versionOf(b.bytes) ? -1 : 1)) as [(typeof packs)[0]];
  const blocks = newest.bytes.readUInt32LE(136);
  // One that was not written to its end does not count, and then nothing was unmounted.
  const isWhole =
    blocks > 0 &&
    blocks * SUPERBLOCK_BYTES <= segmentBytes &&
    versionOf(read(newest.at + (blocks - 1) * SUPERBLOCK_BYTES, SUPERBLOCK_BYTES)) === versionOf(newest.bytes);
  return isWhole && (newest.bytes.readUInt32LE(132) & 1) !== 0 ? undefined : NOT_UNMOUNTED;
}

function versionOf(checkpoint: Buffer): bigint {
  return checkpoint.readBigUInt64LE(0);
}

/** Pure. */
function distrustExfat(boot: Buffer): string | undefined {
  if ((boot.readUInt16LE(106) & 2) !== 0) return NOT_UNMOUNTED;
  return boot.readUInt8(110) > 1 ? 'partclone does not know which of its FATs counts' : undefined;
}

/** Version 3 has no such field. Pure. */
function distrustMinix(superblock: Buffer): string | undefined {
  const hasState = [0x137f, 0x138f, 0x2468, 0x2478].includes(superblock.readUInt16LE(16));
  return hasState && (superblock.readUInt16LE(18) & 3) !== 1 ? NOT_UNMOUNTED : undefined;
}
