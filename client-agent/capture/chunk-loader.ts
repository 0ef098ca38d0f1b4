/** Reads the chunks of one batch from the disk, blanks what is unused, and names them. Synchronous: for worker threads. */
import { CHUNK_ID_BYTES, chunkIdOf, chunkLength, type Extents, maskUnused } from '#protocol/chunk.ts';
import { KnownError } from '#protocol/errors.ts';
import { DIRECT_ALIGN, type DirectFile } from '../disk/direct-file.ts';
import type { SourceVolume } from './batches.ts';

/** Grain of the zero detection of raw volumes, in bytes. */
const RAW_BLOCK_BYTES = 4096;

export interface LoadedBatch {
  /** Chunks that exist: places in the batch. All of them, unless the volume is raw. */
  readonly places: Uint32Array;
  /** 32 bytes for each of `places`. */
  readonly ids: Uint8Array;
  /** Raw volumes only: runs that are not zero, as pairs start, end in bytes of the volume. */
  readonly runs?: Float64Array;
  /** Used runs that the disk could not read and that are zeros now, as pairs start, end in bytes of the volume. */
  readonly lost?: Float64Array;
}

/** What happens where the disk cannot be read: the capture fails, or reads on and tells what is lost. */
export type BadSectors = 'fail' | 'rescue';

/** Chunk `indices[i]` comes to lie at `i · chunkBytes` of `plain`. Throws DISK_READ_FAILED, unless it rescues. */
export function loadBatch(
  disk: DirectFile,
  volume: SourceVolume,
  indices: Uint32Array,
  chunkBytes: number,
  plain: Buffer,
  badSectors: BadSectors,
): LoadedBatch {
  const lost: number[] = [];
  for (let first = 0; first < indices.length; ) {
    let end = first + 1;
    while (end < indices.length && indices[end] === indices[end - 1]! + 1) end++;
    const run = indices.subarray(first, end);
    readRun(
      disk,
      volume,
      run,
      chunkBytes,
      plain.subarray(first * chunkBytes),
      badSectors === 'rescue' ? lost : undefined,
    );
    first = end;
  }
  const runs: number[] = [];
  const places: number[] = [];
  const ids = Buffer.alloc(indices.length * CHUNK_ID_BYTES);
  for (const [place, index] of indices.entries()) {
    const startBytes = index * chunkBytes;
    const length = chunkLength(index, chunkBytes, volume.sizeBytes);
    const chunk = plain.subarray(place * chunkBytes, place * chunkBytes + length);
    if (volume.extents !== undefined) maskUnused(chunk, startBytes, volume.extents);
    else if (!findRuns(chunk, startBytes, runs)) continue;
    chunkIdOf(chunk).copy(ids, places.length * CHUNK_ID_BYTES);
    places.push(place);
  }
  return {
    places: Uint32Array.from(places),
    ids: ids.subarray(0, places.length * CHUNK_ID_BYTES),
    ...(volume.extents === undefined ? { runs: Float64Array.from(runs) } : {}),
    ...(lost.length === 0 ? {} : { lost: Float64Array.from(lost) }),
  };
}

/** Reads chunks that follow each other. Used blocks that cannot be read go to `lost`; without it they are an error. */
function readRun(
  disk: DirectFile,
  volume: SourceVolume,
  indices: Uint32Array,
  chunkBytes: number,
  plain: Buffer,
  lost: number[] | undefined,
): void {
  const start = indices[0]! * chunkBytes;
  const length = Math.min(indices.length * chunkBytes, volume.sizeBytes - start);
  try {
    disk.readAt(plain, volume.startBytes + start, length);
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    readUsedBlocks(disk, volume, start, plain.subarray(0, length), lost);
  }
}

/** After a failed read: block by block, without the unused ones. So a bad sector where nothing lies harms nobody, and one that matters is named exactly. */
function readUsedBlocks(
  disk: DirectFile,
  volume: SourceVolume,
  start: number,
  plain: Buffer,
  lost: number[] | undefined,
): void {
  const used = volume.extents ?? Float64Array.of(0, volume.sizeBytes);
  for (let at = 0; at < plain.length; at += DIRECT_ALIGN) {
    const block = plain.subarray(at, Math.min(at + DIRECT_ALIGN, plain.length));
    const from = start + at;
    if (touches(used, from, from + block.length)) {
      try {
        disk.readAt(block, volume.startBytes + from, block.length);
        continue;
      } catch (error) {
        if (!(error instanceof KnownError) || lost === undefined) throw error;
        if (lost.at(-1) === from) lost[lost.length - 1] = from + block.length;
        else lost.push(from, from + block.length);
      }
    }
    block.fill(0);
  }
}

function touches(extents: Extents, start: number, end: number): boolean {
  for (let i = 0; i < extents.length; i += 2) if (extents[i]! < end && extents[i + 1]! > start) return true;
  return false;
}

const zeros = Buffer.alloc(RAW_BLOCK_BYTES);

/** Appends the runs of blocks that are not all zero; false when there are none. `startBytes` is a multiple of a block. */
function findRuns(chunk: Buffer, startBytes: number, runs: number[]): boolean {
  let isUsed = false;
  for (let at = 0; at < chunk.length; at += RAW_BLOCK_BYTES) {
    const block = chunk.subarray(at, at + RAW_BLOCK_BYTES);
    if (block[0] === 0 && block.equals(block.length === RAW_BLOCK_BYTES ? zeros : zeros.subarray(0, block.length)))
      continue;
    isUsed = true;
    const start = startBytes + at;
    if (runs.at(-1) === start) runs[runs.length - 1] = start + block.length;
    else runs.push(start, start + block.length);
  }
  return isUsed;
}
