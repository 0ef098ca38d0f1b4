/**
 * Decompresses zstd frames into memory that is already there. Node's public `zstdDecompressSync` makes a context and a buffer
 * for each frame: at 256 KiB that costs a third of the speed, and a copy into aligned memory comes on top. So this drives
 * the handle below Node's own stream, which takes any output buffer (docs/decisions/0005-zstd-handle.md). Where a Node has no
 * such handle, the public function does the work.
 */
import { createZstdDecompress, zstdDecompressSync } from 'node:zlib';

/** lib/zlib.js and src/node_zlib.cc of Node 26: what `processChunkSync` calls. */
interface Handle {
  onerror: (message: string) => void;
  reset(): void;
  writeSync(
    flush: number,
    input: Buffer,
    inAt: number,
    inBytes: number,
    out: Buffer,
    outAt: number,
    outBytes: number,
  ): void;
}

/** ZSTD_e_continue */
const FLUSH = 0;

export class ZstdDecoder {
  readonly #handle: Handle | undefined;
  /** Bytes of output room and of input that the last call left over; written by Node. */
  readonly #left: Uint32Array | undefined;
  #hasFailed = false;

  constructor() {
    const stream = createZstdDecompress() as unknown as Record<string, unknown>;
    const handle = stream._handle as Partial<Handle> | undefined;
    const state = stream._writeState;
    if (
      typeof handle?.writeSync !== 'function' ||
      typeof handle.reset !== 'function' ||
      !(state instanceof Uint32Array)
    )
      return;
    this.#handle = handle as Handle;
    this.#left = state;
    this.#handle.onerror = () => {
      this.#hasFailed = true;
    };
  }

  /** True when frames are unpacked without a buffer of their own. */
  get isDirect(): boolean {
    return this.#handle !== undefined;
  }

  /**
   * Unpacks one frame to `into[at, at + plainBytes)`. False when it is not one whole frame of just that many bytes. The byte behind
   * must be there too and may be overwritten: only with room to spare does the decoder say that a frame has ended.
   */
  unpack(frame: Buffer, into: Buffer, at: number, plainBytes: number): boolean {
    if (into.length - at <= plainBytes) throw new RangeError('the output does not fit');
    if (this.#handle === undefined || this.#left === undefined) return unpackPublicly(frame, into, at, plainBytes);
    this.#hasFailed = false;
    this.#handle.reset();
    this.#handle.writeSync(FLUSH, frame, 0, frame.length, into, at, plainBytes + 1);
    return !this.#hasFailed && this.#left[0] === 1 && this.#left[1] === 0;
  }
}

function unpackPublicly(frame: Buffer, into: Buffer, at: number, plainBytes: number): boolean {
  try {
    const plain = zstdDecompressSync(frame, { chunkSize: plainBytes + 1, maxOutputLength: plainBytes + 1 });
    plain.copy(into, at);
    return plain.length === plainBytes;
  } catch {
    return false;
  }
}
