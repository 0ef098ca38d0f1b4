/** How fast a disk is read: a little from several places, around the page cache. It is opened for reading only. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { allocateAligned } from './direct-file.ts';

const PLACES = 8;
const PIECE_BYTES = 1024 * 1024;

export interface ReadSpeed {
  readonly readBytes: number;
  readonly readMs: number;
  /** Why it could not be read on; never throws for a bad disk. */
  readonly problem?: string;
}

/** Reads until `mostBytes` or `mostMs` is reached; one read that the disk does not answer may take longer. Throws AbortError. */
export async function measureReading(
  disk: { readonly path: string; readonly sizeBytes: number },
  o: { readonly mostBytes: number; readonly mostMs: number; readonly signal: AbortSignal },
): Promise<ReadSpeed> {
  let readBytes = 0;
  let readMs = 0;
  let file: FileHandle | undefined;
  try {
    file = await openDirect(disk.path);
    const piece = allocateAligned(PIECE_BYTES);
    for (const offset of placesToRead(disk.sizeBytes, o.mostBytes)) {
      o.signal.throwIfAborted();
      if (readMs >= o.mostMs) break;
      const beganMs = performance.now();
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset);
      readMs += performance.now() - beganMs;
      readBytes += bytesRead;
    }
    return { readBytes, readMs };
  } catch (error) {
    o.signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    return { readBytes, readMs, problem: code ?? message };
  } finally {
    await file?.close();
  }
}

/** Offsets of pieces: runs of equal length, spread over the disk, never more than `mostBytes` together. Pure. */
export function placesToRead(sizeBytes: number, mostBytes: number): number[] {
  const pieces = Math.floor(Math.min(sizeBytes, mostBytes) / PIECE_BYTES);
  const runs = Math.min(PLACES, pieces);
  const length = Math.floor(pieces / Math.max(runs, 1));
  const gap = Math.floor(Math.floor(sizeBytes / PIECE_BYTES) / Math.max(runs, 1));
  return Array.from({ length: runs * length }, (_, piece) => {
    return (Math.floor(piece / length) * gap + (piece % length)) * PIECE_BYTES;
  });
}

/** Where O_DIRECT is refused (some file systems), the page cache is used. */
async function openDirect(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECT);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    return open(path, constants.O_RDONLY);
  }
}
