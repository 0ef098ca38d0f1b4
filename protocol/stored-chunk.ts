/**
 * A chunk as it is kept in a pack and uploaded by a capture: a header of 64 bytes, then the stored bytes.
 * The header is as long as a frame's (frame.ts), so a run read from a pack becomes a run of frames in place.
 *
 * | offset | bytes | field |
 * |-------:|------:|-------|
 * |  0 |  4 | magic `FCSC` |
 * |  4 |  1 | format version, 1 |
 * |  5 |  1 | coding: 1 = one zstd frame (RFC 8878) of the plain bytes |
 * |  6 |  2 | zero |
 * |  8 | 32 | chunk id: BLAKE3-256 of the plain bytes |
 * | 40 |  4 | stored bytes, little-endian |
 * | 44 |  4 | plain bytes, little-endian |
 * | 48 | 12 | zero |
 * | 60 |  4 | CRC-32 of bytes 0–59, little-endian |
 */
import { crc32 } from 'node:zlib';
import { CHUNK_ID_BYTES, MAX_CHUNK_BYTES } from './chunk.ts';

export const STORED_HEADER_BYTES = 64;
/** A zstd frame never grows a 4 MiB chunk by more than its block headers; anything longer is garbage. */
export const MAX_STORED_BYTES = MAX_CHUNK_BYTES + 4096;
export const CODING_ZSTD = 1;

const MAGIC = 0x43534346; // "FCSC" read little-endian
const VERSION = 1;

export interface StoredHeader {
  readonly coding: number;
  /** 32 bytes; a view into the buffer that was parsed. */
  readonly id: Uint8Array;
  readonly storedBytes: number;
  readonly plainBytes: number;
}

/** Writes the 64 header bytes at `offset` of `out`. */
export function writeStoredHeader(out: Buffer, offset: number, header: StoredHeader): void {
  out.fill(0, offset, offset + STORED_HEADER_BYTES);
  out.writeUInt32LE(MAGIC, offset);
  out[offset + 4] = VERSION;
  out[offset + 5] = header.coding;
  out.set(header.id, offset + 8);
  out.writeUInt32LE(header.storedBytes, offset + 40);
  out.writeUInt32LE(header.plainBytes, offset + 44);
  out.writeUInt32LE(crc32(out.subarray(offset, offset + 60)), offset + 60);
}

/** Reads the header at `offset`; undefined when there is none (wrong magic, version, CRC or lengths). */
export function readStoredHeader(bytes: Buffer, offset = 0): StoredHeader | undefined {
  if (bytes.length - offset < STORED_HEADER_BYTES) return undefined;
  if (bytes.readUInt32LE(offset) !== MAGIC || bytes[offset + 4] !== VERSION) return undefined;
  if (bytes.readUInt32LE(offset + 60) !== crc32(bytes.subarray(offset, offset + 60))) return undefined;
  const storedBytes = bytes.readUInt32LE(offset + 40);
  const plainBytes = bytes.readUInt32LE(offset + 44);
  if (storedBytes === 0 || storedBytes > MAX_STORED_BYTES) return undefined;
  if (plainBytes === 0 || plainBytes > MAX_CHUNK_BYTES) return undefined;
  const id = bytes.subarray(offset + 8, offset + 8 + CHUNK_ID_BYTES);
  return { coding: bytes[offset + 5]!, id, storedBytes, plainBytes };
}
