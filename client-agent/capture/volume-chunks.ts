/** What a capture has learned so far: for every volume the chunks that exist, their ids and, if it is raw, its used runs. */
import { CHUNK_ID_BYTES, type Extents } from '#protocol/chunk.ts';
import type { SourceVolume } from './batches.ts';
import type { LoadedBatch } from './chunk-loader.ts';

export class VolumeChunks {
  readonly #known: Extents | undefined;
  #runs: number[] = [];
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
    const runs = batch.runs ?? [];
    for (let i = 0; i < runs.length; i += 2) {
      if (this.#runs.at(-1) === runs[i]) this.#runs[this.#runs.length - 1] = runs[i + 1]!;
      else this.#runs.push(runs[i]!, runs[i + 1]!);
    }
  }

  get extents(): Extents {
    return this.#known ?? Float64Array.from(this.#runs);
  }

  /** 32 bytes a chunk. */
  get ids(): Buffer {
    return this.#ids.subarray(0, this.#length);
  }
}
