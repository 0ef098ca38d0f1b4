/**
 * The memory that a capture works in: a ring of slots, shared with the worker threads. A slot holds the plain chunks of one
 * batch and, behind them, their stored form. It is all that grows with neither disk nor image.
 */
import { allocateAligned, DIRECT_ALIGN } from '../disk/direct-file.ts';
import { chunksPerBatch } from './batches.ts';
import { storedBound } from './chunk-packer.ts';

/** Batches in flight: enough for every worker to have the next one waiting, and for the server's answer to come back. */
const SLOTS = 6;

export class Slots {
  readonly count = SLOTS;
  readonly memory: SharedArrayBuffer;
  readonly chunkBytes: number;
  readonly #plainBytes: number;
  readonly #slotBytes: number;

  /** Without `memory` it allocates. */
  constructor(chunkBytes: number, memory?: SharedArrayBuffer) {
    const chunks = chunksPerBatch(chunkBytes);
    this.chunkBytes = chunkBytes;
    this.#plainBytes = chunks * chunkBytes;
    this.#slotBytes = Math.ceil((this.#plainBytes + chunks * storedBound(chunkBytes)) / DIRECT_ALIGN) * DIRECT_ALIGN;
    this.memory = memory ?? (allocateAligned(SLOTS * this.#slotBytes).buffer as SharedArrayBuffer);
  }

  /** Where the plain chunks of slot `slot` lie; page-aligned. */
  plain(slot: number): Buffer {
    return Buffer.from(this.memory, slot * this.#slotBytes, this.#plainBytes);
  }

  /** Where their stored form lies. */
  stored(slot: number): Buffer {
    return Buffer.from(this.memory, slot * this.#slotBytes + this.#plainBytes, this.#slotBytes - this.#plainBytes);
  }
}
