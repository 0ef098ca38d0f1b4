/** Pieces of a disk as one block device, by device-mapper (dmsetup(8), target linear). */
import { createDevice, DM_SECTOR_BYTES, newDeviceName, removeDevice } from './device-mapper.ts';

interface Piece {
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Of another device than the disk. */
  readonly path?: string;
}

/** Runs `use` with the device, which is gone afterwards. Throws PROGRAM_FAILED (no device-mapper in this kernel), PROGRAM_MISSING. */
export async function withLinearDevice<T>(
  diskPath: string,
  pieces: readonly Piece[],
  mode: 'read' | 'write',
  use: (node: string) => Promise<T>,
): Promise<T> {
  const name = newDeviceName('pieces');
  const node = await createDevice(name, linearTable(diskPath, pieces), mode);
  try {
    return await use(node);
  } finally {
    await removeDevice(name);
  }
}

/** dmsetup(8), TABLE FORMAT: start, length, `linear`, device, offset there; in sectors of 512 bytes. */
export function linearTable(diskPath: string, pieces: readonly Piece[]): string {
  let at = 0;
  const lines = pieces.map(({ startBytes, sizeBytes, path = diskPath }) => {
    const line = `${at} ${sizeBytes / DM_SECTOR_BYTES} linear ${path} ${startBytes / DM_SECTOR_BYTES}`;
    at += sizeBytes / DM_SECTOR_BYTES;
    return line;
  });
  return `${lines.join('\n')}\n`;
}
