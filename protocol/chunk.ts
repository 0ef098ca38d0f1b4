/**
 * The chunk grid of a volume.
 *
 * Chunk i covers bytes [i·S, (i+1)·S) of its volume, cut at the volume's end. Unused bytes inside a chunk count as
 * zeros; a chunk without a used byte does not exist. So any chunk can be made, sent, checked and laid down alone.
 */
import { blake3 } from '@napi-rs/blake-hash';

/** Bytes of a chunk id: BLAKE3-256 of the chunk's plain bytes. */
export const CHUNK_ID_BYTES = 32;
export const MIN_CHUNK_BYTES = 64 * 1024;
export const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
/** docs/decisions/0003-chunk-size.md has the measurements. */
export const DEFAULT_CHUNK_BYTES = 256 * 1024;

/**
 * Runs of used bytes of a volume as pairs start, end (end exclusive), in bytes from the volume's start:
 * sorted, disjoint, not touching, none empty. Made by `normalizeExtents`.
 */
export type Extents = Float64Array;

/** BLAKE3-256 of plain bytes: 32 bytes. */
export function chunkIdOf(plain: Uint8Array): Buffer {
  return blake3(plain);
}

/** A power of two from 64 KiB to 4 MiB. */
export function isChunkSize(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= MIN_CHUNK_BYTES && bytes <= MAX_CHUNK_BYTES && (bytes & (bytes - 1)) === 0;
}

/** Sorts, merges and clips runs [start, end) to [0, sizeBytes). */
export function normalizeExtents(runs: Iterable<readonly [start: number, end: number]>, sizeBytes: number): Extents {
  const sorted = [...runs]
    .map(([start, end]) => [Math.max(0, start), Math.min(end, sizeBytes)] as const)
    .filter(([start, end]) => start < end)
    .sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [start, end] of sorted) {
    const last = out.length - 1;
    if (last > 0 && start <= out[last]!) out[last] = Math.max(out[last]!, end);
    else out.push(start, end);
  }
  return Float64Array.from(out);
}

/** Sum of the runs, in bytes. */
export function usedBytesOf(extents: Extents): number {
  let sum = 0;
  for (let i = 0; i < extents.length; i += 2) sum += extents[i + 1]! - extents[i]!;
  return sum;
}

/** Indices of the chunks that exist, ascending. */
export function chunkIndicesOf(extents: Extents, chunkBytes: number): Uint32Array {
  const indices: number[] = [];
  let next = 0;
  for (let i = 0; i < extents.length; i += 2) {
    const first = Math.max(next, Math.floor(extents[i]! / chunkBytes));
    const last = Math.floor((extents[i + 1]! - 1) / chunkBytes);
    for (let index = first; index <= last; index++) indices.push(index);
    next = Math.max(next, last + 1);
  }
  return Uint32Array.from(indices);
}

/** Length in bytes of chunk `index` of a volume of `sizeBytes`. */
export function chunkLength(index: number, chunkBytes: number, sizeBytes: number): number {
  return Math.min(chunkBytes, sizeBytes - index * chunkBytes);
}

/**
 * Zeroes the unused bytes of a chunk in place, so that what a disk holds there by chance does not change its id.
 * `plain` holds the volume's bytes from `startBytes` on.
 */
export function maskUnused(plain: Uint8Array, startBytes: number, extents: Extents): void {
  let position = startBytes;
  const end = startBytes + plain.length;
  for (let i = firstExtentAfter(extents, startBytes); i < extents.length && extents[i]! < end; i += 2) {
    if (extents[i]! > position) plain.fill(0, position - startBytes, extents[i]! - startBytes);
    position = Math.max(position, extents[i + 1]!);
  }
  if (position < end) plain.fill(0, position - startBytes);
}

/** Array index (even) of the first run that ends after `offset`. */
function firstExtentAfter(extents: Extents, offset: number): number {
  let low = 0;
  let high = extents.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (extents[middle * 2 + 1]! > offset) high = middle;
    else low = middle + 1;
  }
  return low * 2;
}
