/**
 * What a volume that was taken raw held as zeros: no chunk carries it, and a target that was used before holds something else there.
 * Nobody knows what a filesystem without a map makes of such bytes (JFS, a log that is to be replayed …), so they become zeros again.
 * A volume in which nothing was found at all gets zeros at its ends only, where signatures of what was there before lie; but not a piece of a
 * container: what is around it may say that there are zeros (an ext4 in two pieces, inode tables in the second).
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Disk } from '#protocol/disk.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { Manifest, Volume } from '#protocol/manifest.ts';
import { allocateAligned, DirectFile } from './direct-file.ts';

/** Bytes of the disk, end exclusive. */
export interface ZeroRun {
  readonly startBytes: number;
  readonly endBytes: number;
}

const PIECE_BYTES = 4 * 1024 * 1024;
/** What is not zeros is counted in units of this. */
const BLOCK_BYTES = 4096;
/** At each end of an empty volume, in bytes: the signatures that blkid(8) knows lie within. */
const END_BYTES = 1024 * 1024;

/** In the order of the volumes, which must lie where they lie on this disk. Pure. */
export function zeroRunsOf({ head, volumes }: Pick<Manifest, 'head' | 'volumes'>): ZeroRun[] {
  return volumes.flatMap((volume) => zeroRunsIn(volume, head.chunkBytes));
}

/** Those of one volume. Pure. */
export function zeroRunsIn(volume: Volume, chunkBytes: number): ZeroRun[] {
  if (volume.map !== 'raw') return [];
  return isUnused(volume) ? endsOf(volume) : gapsOf(volume, chunkBytes);
}

/** The boot area is small, and firmware may look for a loader anywhere in it. */
function isUnused({ kind, within, indices }: Volume): boolean {
  return indices.length === 0 && within === undefined && kind !== 'boot';
}

function endsOf({ startBytes, sizeBytes }: Volume): ZeroRun[] {
  const endBytes = startBytes + sizeBytes;
  if (sizeBytes <= 2 * END_BYTES) return [{ startBytes, endBytes }];
  return [
    { startBytes, endBytes: startBytes + END_BYTES },
    { startBytes: endBytes - END_BYTES, endBytes },
  ];
}

function gapsOf({ startBytes, sizeBytes, indices }: Volume, chunkBytes: number): ZeroRun[] {
  const gaps: ZeroRun[] = [];
  let from = 0;
  const closeAt = (to: number) => {
    if (to > from) gaps.push({ startBytes: startBytes + from, endBytes: startBytes + to });
  };
  for (const index of indices) {
    closeAt(index * chunkBytes);
    from = (index + 1) * chunkBytes;
  }
  closeAt(sizeBytes);
  return gaps;
}

/** Bytes of all of them. */
export function bytesOf(runs: readonly ZeroRun[]): number {
  return runs.reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0);
}

export interface ZeroRunsOptions {
  readonly signal: AbortSignal;
  /** Awaited once, before the disk is changed. */
  beforeFirstWrite(): Promise<void>;
  onDone(bytes: number): void;
}

/**
 * Reads the runs and writes zeros where there is anything else, which is read again around the cache. May be repeated: what is
 * zeros already is not written. Returns the bytes that were written. Throws DISK_READ_FAILED, DISK_WRITE_FAILED, AbortError.
 */
export async function makeZero(disk: Disk, runs: readonly ZeroRun[], o: ZeroRunsOptions): Promise<number> {
  if (runs.length === 0) return 0;
  const file = DirectFile.open(disk.path, 'write');
  const piece = allocateAligned(PIECE_BYTES);
  const zeros = allocateAligned(PIECE_BYTES);
  const holdsZeros = (at: number, length: number) => {
    file.readAt(piece, at, length);
    return piece.subarray(0, length).equals(zeros.subarray(0, length));
  };
  let doneBytes = 0;
  let writtenBytes = 0;
  try {
    for (const { startBytes, endBytes } of runs) {
      for (let at = startBytes; at < endBytes; at += PIECE_BYTES) {
        o.signal.throwIfAborted();
        const length = Math.min(PIECE_BYTES, endBytes - at);
        if (!holdsZeros(at, length)) {
          if (writtenBytes === 0) await o.beforeFirstWrite();
          file.writeAt(zeros, at, length);
          writtenBytes += length;
          const reason = 'zeros read back otherwise';
          if (!holdsZeros(at, length)) throw knownError('DISK_WRITE_FAILED', { disk: disk.path, offset: at, reason });
        }
        doneBytes += length;
        o.onDone(doneBytes);
        // The heartbeats of the same thread.
        await breathe();
      }
    }
    if (writtenBytes > 0) file.sync();
    return writtenBytes;
  } finally {
    file.close();
  }
}

/**
 * How many bytes of each run lie in blocks that hold something else than zeros, or that cannot be read. Writes nothing. Throws
 * DISK_READ_FAILED when the disk cannot be opened, AbortError.
 */
export async function countStray(
  path: string,
  runs: readonly ZeroRun[],
  { signal, onDone }: Pick<ZeroRunsOptions, 'signal' | 'onDone'>,
): Promise<number[]> {
  if (runs.length === 0) return [];
  const file = DirectFile.open(path, 'read');
  const piece = allocateAligned(PIECE_BYTES);
  let doneBytes = 0;
  const counts: number[] = [];
  try {
    for (const { startBytes, endBytes } of runs) {
      let strayBytes = 0;
      for (let at = startBytes; at < endBytes; at += PIECE_BYTES) {
        signal.throwIfAborted();
        const bytes = piece.subarray(0, Math.min(PIECE_BYTES, endBytes - at));
        strayBytes += readStray(file, bytes, at);
        doneBytes += bytes.length;
        onDone(doneBytes);
        // The heartbeats of the same thread.
        await breathe();
      }
      counts.push(strayBytes);
    }
    return counts;
  } finally {
    file.close();
  }
}

function readStray(file: DirectFile, bytes: Buffer, at: number): number {
  try {
    file.readAt(bytes, at, bytes.length);
  } catch (error) {
    if (error instanceof KnownError && error.code === 'DISK_READ_FAILED') return bytes.length;
    throw error;
  }
  if (isZero(bytes)) return 0;
  let strayBytes = 0;
  for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
    const block = bytes.subarray(from, from + BLOCK_BYTES);
    if (!isZero(block)) strayBytes += block.length;
  }
  return strayBytes;
}

/** All bytes are zero when the first is, and each equals the one before it. */
function isZero(bytes: Buffer): boolean {
  return bytes[0] === 0 && bytes.subarray(1).equals(bytes.subarray(0, -1));
}
