/** How large a disk is, whether it is a block device or a file. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { knownError } from '#protocol/errors.ts';

/** Whole sectors, in bytes. Throws DISK_READ_FAILED. */
export function diskSizeOf(path: string, sectorBytes: number): number {
  try {
    const descriptor = openSync(path, 'r');
    try {
      const stat = fstatSync(descriptor);
      const bytes = stat.isBlockDevice() ? blockDeviceBytes(stat.rdev) : stat.size;
      return bytes - (bytes % sectorBytes);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw knownError('DISK_READ_FAILED', { disk: path, offset: 0, reason: String(error) }, { cause: error });
  }
}

/** sysfs counts in units of 512 bytes, whatever the disk's sectors are. */
function blockDeviceBytes(rdev: number): number {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
}
