/** Cuts a stream of stored chunks into batches of whole chunks, in buffers that can be handed to the checker. */
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { readStoredHeader, STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import { CHECK_BYTES } from './chunk-checker.ts';
import type { ChunkSlice } from './pack-writer.ts';

export interface ChunkBatch {
  /** Owns its ArrayBuffer. */
  readonly bytes: Buffer<ArrayBuffer>;
  readonly chunks: readonly ChunkSlice[];
}

/**
 * Yields every whole chunk of the stream, in order; holds one buffer of CHECK_BYTES (or of one chunk, if that is longer).
 * Throws STREAM_CORRUPT, after it has yielded the whole chunks before the damage.
 */
export async function* readChunkBatches(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ChunkBatch> {
  let buffer = Buffer.allocUnsafeSlow(CHECK_BYTES);
  /** Bytes in the buffer, and how many of them are whole chunks. */
  let filled = 0;
  let parsed = 0;
  /** Where the buffer begins in the stream. */
  let origin = 0;
  let chunks: ChunkSlice[] = [];
  let problem: string | undefined;

  for await (const piece of stream) {
    for (let taken = 0; taken < piece.length && problem === undefined; ) {
      const count = Math.min(piece.length - taken, buffer.length - filled);
      buffer.set(piece.subarray(taken, taken + count), filled);
      filled += count;
      taken += count;

      let needed = STORED_HEADER_BYTES;
      while (filled - parsed >= STORED_HEADER_BYTES) {
        const header = readStoredHeader(buffer, parsed);
        if (header === undefined) {
          problem = 'no chunk begins there';
          break;
        }
        needed = STORED_HEADER_BYTES + header.storedBytes;
        if (filled - parsed < needed) break;
        const { storedBytes, plainBytes } = header;
        chunks.push({ id: Buffer.from(header.id), at: parsed, storedBytes, plainBytes });
        parsed += needed;
        needed = STORED_HEADER_BYTES;
      }
      if (filled < buffer.length || problem !== undefined) continue;

      const next = Buffer.allocUnsafeSlow(Math.max(CHECK_BYTES, needed));
      const carried = buffer.copy(next, 0, parsed, filled);
      if (chunks.length > 0) yield { bytes: buffer, chunks };
      origin += parsed;
      buffer = next;
      filled = carried;
      parsed = 0;
      chunks = [];
    }
    if (problem !== undefined) break;
  }
  if (chunks.length > 0) yield { bytes: buffer, chunks };
  if (problem === undefined && parsed < filled) problem = 'it ends in the middle of a chunk';
  if (problem !== undefined) throw knownError('STREAM_CORRUPT', { offset: origin + parsed, problem });
}

/** The ids of chunks one after another. */
export function joinIds(chunks: readonly { readonly id: Uint8Array }[]): Uint8Array {
  const ids = new Uint8Array(chunks.length * CHUNK_ID_BYTES);
  chunks.forEach((chunk, i) => {
    ids.set(chunk.id, i * CHUNK_ID_BYTES);
  });
  return ids;
}
