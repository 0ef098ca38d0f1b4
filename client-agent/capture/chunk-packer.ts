/** Makes stored chunks (protocol/stored-chunk.ts) of plain ones, one after another in memory. Synchronous: for worker threads. */
import { constants, zstdCompressSync } from 'node:zlib';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { CODING_ZSTD, STORED_HEADER_BYTES, writeStoredHeader } from '#protocol/stored-chunk.ts';

/** Most bytes that one stored chunk takes, header included (zstd.h, ZSTD_COMPRESSBOUND, rounded up). */
export function storedBound(chunkBytes: number): number {
  return STORED_HEADER_BYTES + chunkBytes + (chunkBytes >> 8) + 512;
}

/** Appends the stored form of a chunk at `offset` of `out`; returns where it ends. */
export function packChunk(plain: Buffer, id: Uint8Array, zstdLevel: number, out: Buffer, offset: number): number {
  // The exact size lets zstd choose small tables and write it into the frame. A chunk of 256 KiB mostly fits into one buffer.
  const stored = zstdCompressSync(plain, {
    pledgedSrcSize: plain.length,
    chunkSize: 128 * 1024,
    params: { [constants.ZSTD_c_compressionLevel]: zstdLevel },
  });
  const header = {
    coding: CODING_ZSTD,
    id: id.subarray(0, CHUNK_ID_BYTES),
    storedBytes: stored.length,
    plainBytes: plain.length,
  };
  writeStoredHeader(out, offset, header);
  stored.copy(out, offset + STORED_HEADER_BYTES);
  return offset + STORED_HEADER_BYTES + stored.length;
}
