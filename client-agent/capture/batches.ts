/** Cuts a disk's chunks into batches: as many as one slot of memory holds, in disk order. Pure. */
import { chunkIndicesOf, type Extents } from '#protocol/chunk.ts';

/** What is known of a volume before its chunks are read. */
export interface SourceVolume {
  /** On which of several disks it lies, counted from 0; absent: the first. */
  readonly disk?: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Absent: raw, so that which chunks exist is only known when they are read. */
  readonly extents?: Extents;
}

/** A volume of which is known which chunks exist. */
export type KnownVolume = SourceVolume & { readonly extents: Extents };

export interface Batch {
  /** Place in the list of volumes. */
  readonly volume: number;
  /** Chunks of that volume, ascending. */
  readonly indices: Uint32Array;
}

/** Chunks in one batch: 2 MiB of plain bytes keep a disk busy, and six batches in flight are still little memory. */
export function chunksPerBatch(chunkBytes: number): number {
  return Math.max(1, (2 * 1024 * 1024) / chunkBytes);
}

/** All chunks that exist or, in a raw volume, may exist. Makes the batches as they are asked for: a raw volume can be large. */
export function* planBatches(volumes: readonly SourceVolume[], chunkBytes: number): Generator<Batch> {
  const most = chunksPerBatch(chunkBytes);
  for (const [volume, { extents, sizeBytes }] of volumes.entries()) {
    if (extents !== undefined) {
      yield* cut(volume, chunkIndicesOf(extents, chunkBytes), most);
      continue;
    }
    const count = Math.ceil(sizeBytes / chunkBytes);
    for (let first = 0; first < count; first += most) {
      yield { volume, indices: Uint32Array.from({ length: Math.min(most, count - first) }, (_, i) => first + i) };
    }
  }
}

/** The chunks for which `isWanted` says so, by their ordinal in the manifest; every volume's extents must be known. */
export function* planWanted(
  volumes: readonly KnownVolume[],
  chunkBytes: number,
  isWanted: (ordinal: number) => boolean,
): Generator<Batch> {
  let firstOrdinal = 0;
  for (const [volume, { extents }] of volumes.entries()) {
    const indices = chunkIndicesOf(extents, chunkBytes);
    const first = firstOrdinal;
    yield* cut(
      volume,
      indices.filter((_, i) => isWanted(first + i)),
      chunksPerBatch(chunkBytes),
    );
    firstOrdinal += indices.length;
  }
}

function* cut(volume: number, indices: Uint32Array, most: number): Generator<Batch> {
  for (let at = 0; at < indices.length; at += most) yield { volume, indices: indices.subarray(at, at + most) };
}

/** The volume as a batch sees it: with only those runs, cut, that lie in the batch's chunks and between them. */
export function volumeOfBatch(volume: SourceVolume, batch: Batch, chunkBytes: number): SourceVolume {
  const { extents } = volume;
  if (extents === undefined) return volume;
  const start = batch.indices[0]! * chunkBytes;
  const end = (batch.indices.at(-1)! + 1) * chunkBytes;
  const first = firstRun(extents, (run) => extents[run * 2 + 1]! > start);
  const behind = firstRun(extents, (run) => extents[run * 2]! >= end);
  const own = extents.slice(first * 2, behind * 2);
  if (own.length > 0) {
    own[0] = Math.max(own[0]!, start);
    own[own.length - 1] = Math.min(own.at(-1)!, end);
  }
  return { ...volume, extents: own };
}

/** Number of the first run for which `holds`, by halving: it must hold for all later ones too. */
function firstRun(extents: Extents, holds: (run: number) => boolean): number {
  let low = 0;
  let high = extents.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
