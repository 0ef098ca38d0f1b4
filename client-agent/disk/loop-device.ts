/** A span of a disk as a block device of its own, for programs that take nothing else (losetup(8)). */
import { type FileHandle, open } from 'node:fs/promises';
import { run } from '#system/run.ts';

export interface LoopSpan {
  /** Block device or plain file. */
  readonly path: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Logical sector size that the loop device shows. */
  readonly sectorBytes: number;
  readonly mode: 'read' | 'write';
}

/**
 * Runs `use` with the node of a loop device over the span; the device is gone afterwards, however this process ends:
 * it is detached at once, and the kernel keeps it only while our descriptor (or the program in `use`) holds it open.
 * Throws PROGRAM_FAILED (also when losetup is not allowed to).
 */
export async function withLoopDevice<T>(span: LoopSpan, use: (node: string) => Promise<T>): Promise<T> {
  const node = (await run(attachArgv(span), { limitMs: 10_000 })).stdout.trim();
  let hold: FileHandle;
  try {
    hold = await open(node, 'r');
  } finally {
    await run(['losetup', '--detach', node], { limitMs: 10_000 });
  }
  try {
    return await use(node);
  } finally {
    await hold.close();
  }
}

/** Runs `use` with a path that shows the disk's own sector size: a file counts as 512 for every program, so others need a loop device. */
export async function withSectorSize<T>(
  disk: { readonly path: string; readonly sizeBytes: number; readonly sectorBytes: number; readonly isFile: boolean },
  mode: 'read' | 'write',
  use: (path: string) => Promise<T>,
): Promise<T> {
  if (!disk.isFile || disk.sectorBytes === 512) return use(disk.path);
  const { path, sizeBytes, sectorBytes } = disk;
  return withLoopDevice({ path, startBytes: 0, sizeBytes, sectorBytes, mode }, use);
}

/** Shows a span of a disk or file as a block device and prints its path (losetup(8)). */
export function attachArgv(span: LoopSpan): string[] {
  const argv = ['losetup', '--find', '--show'];
  if (span.mode === 'read') argv.push('--read-only');
  if (span.sectorBytes !== 512) argv.push('--sector-size', String(span.sectorBytes));
  return [...argv, '--offset', String(span.startBytes), '--sizelimit', String(span.sizeBytes), span.path];
}
