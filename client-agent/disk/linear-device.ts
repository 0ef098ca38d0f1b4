/** Pieces of a disk as one block device, by device-mapper (dmsetup(8), target linear). */
import { run } from '#system/run.ts';

const SECTOR_BYTES = 512;

interface Piece {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/** Runs `use` with the device, which is gone afterwards. Throws PROGRAM_FAILED (no device-mapper in this kernel), PROGRAM_MISSING. */
export async function withLinearDevice<T>(
  diskPath: string,
  pieces: readonly Piece[],
  mode: 'read' | 'write',
  use: (node: string) => Promise<T>,
): Promise<T> {
  const name = `fleetcast-${process.pid}-${pieces[0]!.startBytes}`;
  const options = ['--noudevsync', '--noudevrules'];
  const readOnly = mode === 'read' ? ['--readonly'] : [];
  await run(['dmsetup', 'create', name, ...readOnly, ...options], { input: linearTable(diskPath, pieces) });
  try {
    // The agent image has no udev: only the kernel's own node is sure to be there.
    const { stdout } = await run(['dmsetup', 'info', '-c', '--noheadings', '-o', 'blkdevname', name]);
    return await use(`/dev/${stdout.trim()}`);
  } finally {
    await run(['dmsetup', 'remove', '--retry', ...options, name]);
  }
}

/** dmsetup(8), TABLE FORMAT: start, length, `linear`, device, offset there; in sectors of 512 bytes. */
export function linearTable(diskPath: string, pieces: readonly Piece[]): string {
  let at = 0;
  const lines = pieces.map(({ startBytes, sizeBytes }) => {
    const line = `${at} ${sizeBytes / SECTOR_BYTES} linear ${diskPath} ${startBytes / SECTOR_BYTES}`;
    at += sizeBytes / SECTOR_BYTES;
    return line;
  });
  return `${lines.join('\n')}\n`;
}
