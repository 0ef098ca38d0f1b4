/**
 * A pack: a file of stored chunks, written once. docs/formats/pack.md
 *
 * | offset | bytes | field (numbers little-endian) |
 * |-------:|------:|-------|
 * |  0 | 4 | magic `FCPK` |
 * |  4 | 2 | format version, 1 |
 * |  6 | 6 | zero |
 * | 12 | 4 | CRC-32 of bytes 0–11 |
 * | 16 | … | stored chunks (protocol/stored-chunk.ts: 64 bytes of header, then the stored bytes), one after another |
 * | i | 48·n | index: for each chunk, in the order in which they lie: id (32), u64 offset of its header, u32 stored bytes, u32 plain bytes |
 * | i+48·n | 64 | footer |
 *
 * Footer:
 *
 * | offset | bytes | field |
 * |-------:|------:|-------|
 * |  0 |  4 | magic `FCPF` |
 * |  4 |  2 | format version, 1 |
 * |  6 |  2 | zero |
 * |  8 |  4 | n = number of chunks |
 * | 12 |  4 | zero |
 * | 16 |  8 | i = offset of the index |
 * | 24 | 32 | BLAKE3-256 of the index; its hex is the name of the file |
 * | 56 |  4 | zero |
 * | 60 |  4 | CRC-32 of bytes 0–59 |
 */
import { crc32 } from 'node:zlib';
import { blake3 } from '@napi-rs/blake-hash';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';

export const PACK_VERSION = 1;
export const PACK_HEADER_BYTES = 16;
export const PACK_ENTRY_BYTES = 48;
export const PACK_FOOTER_BYTES = 64;

const HEADER_MAGIC = 0x4b504346; // "FCPK" read little-endian
const FOOTER_MAGIC = 0x46504346; // "FCPF" read little-endian

/** One chunk of a pack. */
export interface PackEntry {
  /** 32 bytes. */
  readonly id: Buffer;
  /** Of its stored header in the pack. */
  readonly offset: number;
  /** Without the header. */
  readonly storedBytes: number;
  readonly plainBytes: number;
}

export interface PackFooter {
  readonly count: number;
  readonly indexOffset: number;
  /** 32 bytes. */
  readonly indexHash: Buffer;
}

/** The first bytes of every pack. */
export function encodePackHeader(): Buffer {
  const out = Buffer.alloc(PACK_HEADER_BYTES);
  out.writeUInt32LE(HEADER_MAGIC, 0);
  out.writeUInt16LE(PACK_VERSION, 4);
  out.writeUInt32LE(crc32(out.subarray(0, 12)), 12);
  return out;
}

/** The format version that the header names; undefined when there is no header. */
export function readPackHeader(bytes: Buffer): number | undefined {
  if (bytes.length < PACK_HEADER_BYTES || bytes.readUInt32LE(0) !== HEADER_MAGIC) return undefined;
  return bytes.readUInt32LE(12) === crc32(bytes.subarray(0, 12)) ? bytes.readUInt16LE(4) : undefined;
}

/** Index and footer of a pack whose chunks end at `indexOffset`, and the pack's name. */
export function encodePackTail(entries: readonly PackEntry[], indexOffset: number): { tail: Buffer; name: string } {
  const tail = Buffer.alloc(entries.length * PACK_ENTRY_BYTES + PACK_FOOTER_BYTES);
  entries.forEach((entry, i) => {
    const at = i * PACK_ENTRY_BYTES;
    tail.set(entry.id, at);
    tail.writeBigUInt64LE(BigInt(entry.offset), at + 32);
    tail.writeUInt32LE(entry.storedBytes, at + 40);
    tail.writeUInt32LE(entry.plainBytes, at + 44);
  });
  const indexHash = blake3(tail.subarray(0, entries.length * PACK_ENTRY_BYTES));
  const footer = tail.subarray(entries.length * PACK_ENTRY_BYTES);
  footer.writeUInt32LE(FOOTER_MAGIC, 0);
  footer.writeUInt16LE(PACK_VERSION, 4);
  footer.writeUInt32LE(entries.length, 8);
  footer.writeBigUInt64LE(BigInt(indexOffset), 16);
  footer.set(indexHash, 24);
  footer.writeUInt32LE(crc32(footer.subarray(0, 60)), 60);
  return { tail, name: indexHash.toString('hex') };
}

/** Reads the last 64 bytes of a file of `fileBytes`; undefined when they are no footer or do not fit the file. */
export function readPackFooter(footer: Buffer, fileBytes: number): PackFooter | undefined {
  if (footer.length !== PACK_FOOTER_BYTES || footer.readUInt32LE(0) !== FOOTER_MAGIC) return undefined;
  if (footer.readUInt32LE(60) !== crc32(footer.subarray(0, 60))) return undefined;
  if (footer.readUInt16LE(4) !== PACK_VERSION) return undefined;
  const count = footer.readUInt32LE(8);
  const indexOffset = Number(footer.readBigUInt64LE(16));
  if (indexOffset + count * PACK_ENTRY_BYTES + PACK_FOOTER_BYTES !== fileBytes) return undefined;
  return { count, indexOffset, indexHash: footer.subarray(24, 56) };
}

/** Reads the index that a footer names; undefined when its hash is another or an entry lies outside of the chunks. */
export function readPackIndex(index: Buffer, footer: PackFooter): PackEntry[] | undefined {
  if (index.length !== footer.count * PACK_ENTRY_BYTES || !blake3(index).equals(footer.indexHash)) return undefined;
  const entries: PackEntry[] = [];
  for (let at = 0; at < index.length; at += PACK_ENTRY_BYTES) {
    const offset = Number(index.readBigUInt64LE(at + 32));
    const storedBytes = index.readUInt32LE(at + 40);
    if (offset < PACK_HEADER_BYTES || offset + STORED_HEADER_BYTES + storedBytes > footer.indexOffset) return undefined;
    const plainBytes = index.readUInt32LE(at + 44);
    entries.push({ id: index.subarray(at, at + CHUNK_ID_BYTES), offset, storedBytes, plainBytes });
  }
  return entries;
}

/** Size of a pack that holds just these chunks. */
export function packBytesOf(chunks: readonly { readonly storedBytes: number }[]): number {
  const stored = chunks.reduce((sum, chunk) => sum + STORED_HEADER_BYTES + chunk.storedBytes, 0);
  return PACK_HEADER_BYTES + stored + chunks.length * PACK_ENTRY_BYTES + PACK_FOOTER_BYTES;
}
