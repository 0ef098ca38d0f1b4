/**
 * A disk (or the file that stands for one) read and written around the page cache: O_DIRECT, synchronous, for worker threads.
 *
 * O_DIRECT wants offset, length and memory aligned to the logical sector (open(2), NOTES). Memory comes from
 * `allocateAligned`; any other buffer goes through an aligned bounce buffer. What is not aligned on the disk is read as the
 * sectors around it and written through a buffered descriptor, which the kernel keeps coherent with the direct one.
 */
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { knownError } from '#protocol/errors.ts';

/** Alignment in bytes that every disk takes. */
export const DIRECT_ALIGN = 4096;
/** Most disks take this one: logical sectors of 512 bytes. */
const LEAST_ALIGN = 512;
const BOUNCE_BYTES = 1024 * 1024;
const WASM_PAGE_BYTES = 64 * 1024;

/** TypeScript knows it only together with the DOM. */
declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum: number; shared: true }) => { readonly buffer: SharedArrayBuffer };
};

/**
 * Page-aligned zeroed memory that worker threads can share (post `buffer.buffer` and its offset). It is never given back
 * before it is garbage, and each call reserves address space: allocate once and divide.
 * Seen on Node 26: a Buffer over a WebAssembly.Memory is page-aligned, a plain Buffer is not (O_DIRECT gives EINVAL).
 */
export function allocateAligned(bytes: number): Buffer {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return Buffer.from(memory.buffer, 0, bytes);
}

/** An open disk. Every read and write is whole or throws DISK_READ_FAILED or DISK_WRITE_FAILED with its offset. */
export class DirectFile {
  readonly path: string;
  #direct: number | undefined;
  #buffered: number;
  #align = LEAST_ALIGN;
  #bounce: Buffer | undefined;

  private constructor(path: string, direct: number | undefined, buffered: number) {
    this.path = path;
    this.#direct = direct;
    this.#buffered = buffered;
  }

  /** Never creates or cuts the file. Where O_DIRECT is refused (some file systems), everything is buffered. */
  static open(path: string, mode: 'read' | 'write'): DirectFile {
    const flags = mode === 'write' ? constants.O_RDWR : constants.O_RDONLY;
    try {
      const buffered = openSync(path, flags);
      return new DirectFile(path, openDirect(path, flags), buffered);
    } catch (error) {
      throw diskError(mode === 'write' ? 'DISK_WRITE_FAILED' : 'DISK_READ_FAILED', path, 0, error);
    }
  }

  /** Reads one span of a disk that is opened for it alone. Throws DISK_READ_FAILED. */
  static readSpan(path: string, offset: number, length: number): Buffer {
    const file = DirectFile.open(path, 'read');
    try {
      const bytes = Buffer.alloc(length);
      file.readAt(bytes, offset, length);
      return bytes;
    } finally {
      file.close();
    }
  }

  /** True when reads bypass the page cache. */
  get isDirect(): boolean {
    return this.#direct !== undefined;
  }

  /** Reads `length` bytes at `offset` of the disk into the beginning of `buffer`. */
  readAt(buffer: Buffer, offset: number, length: number): void {
    try {
      if (this.#fits(buffer, offset, length)) {
        if (this.#tryDirect(() => this.#readFully(this.#direct!, buffer, offset, length))) return;
      }
      if (this.#direct !== undefined && this.#readThroughBounce(buffer, offset, length)) return;
      this.#readFully(this.#buffered, buffer, offset, length);
    } catch (error) {
      throw diskError('DISK_READ_FAILED', this.path, offset, error);
    }
  }

  /** Writes the first `length` bytes of `buffer` at `offset` of the disk. On stable storage only after `sync`. */
  writeAt(buffer: Buffer, offset: number, length: number): void {
    try {
      if (this.#fits(buffer, offset, length)) {
        if (this.#tryDirect(() => writeFully(this.#direct!, buffer, offset, length))) return;
      } else if (this.#direct !== undefined && length >= BOUNCE_BYTES && isMultiple(this.#align, offset, length)) {
        this.#writeThroughBounce(buffer, offset, length);
        return;
      }
      writeFully(this.#buffered, buffer, offset, length);
    } catch (error) {
      throw diskError('DISK_WRITE_FAILED', this.path, offset, error);
    }
  }

  /** Flushes both descriptors and the disk's own cache. */
  sync(): void {
    try {
      fsyncSync(this.#buffered);
    } catch (error) {
      throw diskError('DISK_WRITE_FAILED', this.path, 0, error);
    }
  }

  close(): void {
    if (this.#direct !== undefined) closeSync(this.#direct);
    closeSync(this.#buffered);
  }

  /** Whether this can go to the kernel as it is. Shared memory is taken for page-aligned: only `allocateAligned` makes any. */
  #fits(buffer: Buffer, offset: number, length: number): boolean {
    return (
      this.#direct !== undefined &&
      buffer.buffer instanceof SharedArrayBuffer &&
      isMultiple(this.#align, offset, length, buffer.byteOffset)
    );
  }

  /** False when the disk wants a larger alignment than was used: remembers that. */
  #tryDirect(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL' || this.#align === DIRECT_ALIGN) throw error;
      this.#align = DIRECT_ALIGN;
      return false;
    }
  }

  #readThroughBounce(buffer: Buffer, offset: number, length: number): boolean {
    this.#bounce ??= allocateAligned(BOUNCE_BYTES + 2 * DIRECT_ALIGN);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const lead = at % this.#align;
      const wanted = Math.min(length - done, BOUNCE_BYTES);
      const span = Math.ceil((lead + wanted) / this.#align) * this.#align;
      const bounce = this.#bounce;
      // At the end of a file the last sector is short: what was wanted of it is there nevertheless.
      if (!this.#tryDirect(() => this.#readFully(this.#direct!, bounce, at - lead, span, lead + wanted))) return false;
      bounce.copy(buffer, done, lead, lead + wanted);
      done += wanted;
    }
    return true;
  }

  #writeThroughBounce(buffer: Buffer, offset: number, length: number): void {
    this.#bounce ??= allocateAligned(BOUNCE_BYTES + 2 * DIRECT_ALIGN);
    for (let done = 0; done < length; done += BOUNCE_BYTES) {
      const piece = Math.min(BOUNCE_BYTES, length - done);
      buffer.copy(this.#bounce, 0, done, done + piece);
      this.writeAt(this.#bounce, offset + done, piece);
    }
  }

  /** Asks for `length` bytes and is content with `least` of them. */
  #readFully(descriptor: number, buffer: Buffer, offset: number, length: number, least = length): void {
    for (let done = 0; done < least; ) {
      const got = readSync(descriptor, buffer, done, length - done, offset + done);
      if (got === 0) throw new Error(`it ends at byte ${offset + done}`);
      done += got;
    }
  }
}

function writeFully(descriptor: number, buffer: Buffer, offset: number, length: number): void {
  for (let done = 0; done < length; ) done += writeSync(descriptor, buffer, done, length - done, offset + done);
}

function isMultiple(align: number, ...numbers: readonly number[]): boolean {
  return numbers.every((number) => number % align === 0);
}

function openDirect(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags | constants.O_DIRECT);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}

/** `{host}` stays open: agent-loop.ts fills it in when it reports. */
function diskError(
  code: 'DISK_READ_FAILED' | 'DISK_WRITE_FAILED',
  disk: string,
  offset: number,
  error: unknown,
): Error {
  const reason = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
  return knownError(code, { disk, offset, reason }, { cause: error });
}
