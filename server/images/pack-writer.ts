/** Writes one pack: a temporary file that grows by stored chunks and becomes a pack when it is complete. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import { encodePackHeader, encodePackTail, PACK_HEADER_BYTES, type PackEntry } from './pack.ts';
import type { PackFiles } from './pack-files.ts';

/** A pack is closed when it has grown to this. */
export const PACK_BYTES = 256 * 1024 * 1024;
/** … or holds this many chunks: bounds its index in memory and the time of its database transaction. */
export const PACK_CHUNKS = 16_384;

/** A stored chunk, header and all, in a buffer. */
export interface ChunkSlice {
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Where its stored header begins in the buffer. */
  readonly at: number;
  readonly storedBytes: number;
  readonly plainBytes: number;
}

export interface PublishedPack {
  readonly name: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly entries: readonly PackEntry[];
}

export class PackWriter {
  readonly #files: PackFiles;
  readonly #file: FileHandle;
  readonly #temporary: string;
  readonly #entries: PackEntry[] = [];
  #bytes = PACK_HEADER_BYTES;

  private constructor(files: PackFiles, file: FileHandle, temporary: string) {
    this.#files = files;
    this.#file = file;
    this.#temporary = temporary;
  }

  static async create(files: PackFiles): Promise<PackWriter> {
    const temporary = files.temporaryPath();
    const writer = new PackWriter(files, await open(temporary, 'wx', 0o640), temporary);
    try {
      await writeAll(writer.#file, encodePackHeader(), 0);
    } catch (error) {
      await writer.discard();
      throw error;
    }
    return writer;
  }

  get isFull(): boolean {
    return this.#bytes >= PACK_BYTES || this.#entries.length >= PACK_CHUNKS;
  }

  /** Appends stored chunks, in order. When it throws, none of them is in the pack and the next append begins at the same place. */
  async append(bytes: Buffer, chunks: readonly ChunkSlice[]): Promise<void> {
    const entries: PackEntry[] = [];
    let end = this.#bytes;
    for (let i = 0; i < chunks.length; ) {
      const from = chunks[i]!.at;
      const begin = end;
      // Chunks that lie side by side in the buffer are written in one go.
      for (; i < chunks.length && chunks[i]!.at - from === end - begin; i++) {
        const { id, storedBytes, plainBytes } = chunks[i]!;
        entries.push({ id: Buffer.from(id), offset: end, storedBytes, plainBytes });
        end += STORED_HEADER_BYTES + storedBytes;
      }
      await writeAll(this.#file, bytes.subarray(from, from + end - begin), begin);
    }
    this.#entries.push(...entries);
    this.#bytes = end;
  }

  /** Completes the pack: index, footer, fsync, rename. The writer is used up, whether it throws or not. */
  async publish(): Promise<PublishedPack> {
    const { tail, name } = encodePackTail(this.#entries, this.#bytes);
    try {
      await writeAll(this.#file, tail, this.#bytes);
      // A failed append may have left more than was kept.
      await this.#file.truncate(this.#bytes + tail.length);
      await this.#files.publish(this.#file, this.#temporary, name);
    } catch (error) {
      await this.discard();
      throw error;
    }
    return { name, bytes: this.#bytes + tail.length, entries: this.#entries };
  }

  /** Gives up the pack and frees its space. May be repeated. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => {});
    await rm(this.#temporary, { force: true });
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
