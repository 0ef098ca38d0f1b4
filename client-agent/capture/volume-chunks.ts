/** What a capture has learned so far: for every volume the chunks that exist, their ids and, if it is raw, its used runs. */
import { CHUNK_ID_BYTES, type Extents } from '#protocol/chunk.ts';
import type { SourceVolume } from './batches.ts';
import type { LoadedBatch } from './chunk-loader.ts';

export class VolumeChunks {
  readonly #known: Extents | undefined;
  #runs: number[] = [];
  #lost: number[] = [];
  #ids = Buffer.alloc(64 * CHUNK_ID_BYTES);
  #length = 0;

  constructor(volume: SourceVolume) {
    this.#known = volume.extents;
  }

  /** Batches come in disk order. */
  add(batch: LoadedBatch): void {
    const needed = this.#length + batch.ids.length;
    if (needed > this.#ids.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#ids.length * 2));
      this.#ids.copy(larger, 0, 0, this.#length);
      this.#ids = larger;
    }
    this.#ids.set(batch.ids, this.#length);
    this.#length = needed;
    append(this.#runs, batch.runs ?? []);
    append(this.#lost, batch.lost ?? []);
  }

  get extents(): Extents {
    return this.#known ?? Float64Array.from(this.#runs);
  }

  /** What the disk could not read: zeros in the image. */
  get lost(): Extents {
    return Float64Array.from(this.#lost);
  }

  /** 32 bytes a chunk. */
  get ids(): Buffer {
    return this.#ids.subarray(0, this.#length);
  }
}

function append(runs: number[], more: ArrayLike<number>): void {
  for (let i = 0; i < more.length; i += 2) {
    if (runs.at(-1) === more[i]) runs[runs.length - 1] = more[i + 1]!;
    else runs.push(more[i]!, more[i + 1]!);
  }
}
