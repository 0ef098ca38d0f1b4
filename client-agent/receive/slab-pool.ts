/**
 * The memory in which a stream waits between the wire and the disks. All of it is allocated once and handed round, so a disk that
 * is slower than the wire holds the wire up once it is full. The slab given back last is taken first: memory that was never needed is
 * never touched. Every disk of a task works on the same slabs; one is free again when all are through with it.
 */
import { allocateAligned } from '../disk/direct-file.ts';

const LEAST_SLAB_BYTES = 1024 * 1024;
/** One is filled from the wire, one waits, besides the one that each thread works on. */
const SPARE_SLABS = 2;
/** What a header and incompressible data may add to a chunk (frame.ts, stored-chunk.ts). */
const FRAME_SLACK_BYTES = 8192;
const ALIGN_BYTES = 4096;

/** Memory for bytes of the stream, owned by whoever took it until it is given back. */
export interface Slab {
  readonly bytes: Buffer;
}

export class SlabPool {
  /** Longest payload of a chunk frame that is sure to fit a slab. */
  readonly maxPayloadBytes: number;
  /** Most bytes that can wait to be written. */
  readonly bufferBytes: number;
  readonly count: number;
  /** What the slabs lie in, for threads. */
  readonly memory: SharedArrayBuffer;
  readonly #free: Slab[];
  readonly #waiting: ((slab: Slab) => void)[] = [];
  readonly #queued = new Set<Slab>();

  /** `threads` work on slabs at the same time; `bufferBytes`: memory for what waits, beyond the least that they need. */
  constructor(o: { chunkBytes: number; threads: number; bufferBytes?: number }) {
    this.maxPayloadBytes = o.chunkBytes + FRAME_SLACK_BYTES;
    const slabBytes = Math.max(LEAST_SLAB_BYTES, alignUp(2 * this.maxPayloadBytes));
    this.count = Math.max(o.threads + SPARE_SLABS, Math.floor((o.bufferBytes ?? 0) / slabBytes));
    this.bufferBytes = this.count * slabBytes;
    const all = allocateAligned(this.bufferBytes);
    this.memory = all.buffer as unknown as SharedArrayBuffer;
    this.#free = Array.from({ length: this.count }, (_, i) => ({
      bytes: all.subarray(i * slabBytes, (i + 1) * slabBytes),
    }));
  }

  /** Bytes of slabs that wait to be written. */
  get queuedBytes(): number {
    return this.#queued.size * (this.bufferBytes / this.count);
  }

  /** Waits until a slab is free. */
  takeSlab(): Promise<Slab> {
    const slab = this.#free.pop();
    return slab ? Promise.resolve(slab) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What is in the slab waits to be written from now on. */
  queue(slab: Slab): void {
    this.#queued.add(slab);
  }

  giveBack(slab: Slab): void {
    this.#queued.delete(slab);
    const next = this.#waiting.shift();
    if (next) next(slab);
    else this.#free.push(slab);
  }
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
}
