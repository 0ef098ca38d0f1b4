/**
 * A frame of a cast (or of a repair over HTTP): a header of 64 bytes, then the payload.
 * The payload of a chunk frame is the chunk's stored bytes, as they lie in the pack.
 *
 * | offset | bytes | field (numbers little-endian) |
 * |-------:|------:|-------|
 * |  0 | 4 | magic `FCFR` |
 * |  4 | 1 | format version, 1 |
 * |  5 | 1 | kind: 1 announce, 2 chunk, 3 trailer |
 * |  6 | 1 | coding of the payload: 0 plain JSON, 1 zstd |
 * |  7 | 1 | zero |
 * |  8 | 8 | cast nonce, random per cast |
 * | 16 | 8 | manifest tag: the first 8 bytes of the manifest id |
 * | 24 | 4 | ordinal of the chunk in the manifest (0 in other kinds) |
 * | 28 | 4 | payload bytes |
 * | 32 | 4 | plain bytes (0 in other kinds) |
 * | 36 | 4 | sequence: 0 for the announce frame, then 1, 2, … |
 * | 40 | 20 | zero |
 * | 60 | 4 | CRC-32 of bytes 0–59 |
 *
 * A cast is: announce, chunk frames, trailer. The announce payload is JSON `Announcement`, the trailer payload is JSON
 * `Trailer`. The payload of a chunk frame has no checksum of its own: the manifest's chunk id is one.
 */
import { crc32 } from 'node:zlib';
import { MAX_CHUNK_BYTES } from './chunk.ts';
import { MAX_STORED_BYTES } from './stored-chunk.ts';

export const FRAME_HEADER_BYTES = 64;
export const NONCE_BYTES = 8;
export const MANIFEST_TAG_BYTES = 8;
/** Announce and trailer payloads are small JSON. */
export const MAX_CONTROL_BYTES = 4096;

export const FRAME_ANNOUNCE = 1;
export const FRAME_CHUNK = 2;
export const FRAME_TRAILER = 3;

/** First byte pattern of a frame, for resynchronising after damage. */
export const FRAME_MAGIC_BYTES: Uint8Array = Uint8Array.from([0x46, 0x43, 0x46, 0x52]); // "FCFR"
const MAGIC = 0x52464346;
const VERSION = 1;

export interface FrameHeader {
  readonly kind: number;
  readonly coding: number;
  /** 8 bytes; a view. */
  readonly nonce: Uint8Array;
  /** 8 bytes; a view. */
  readonly manifestTag: Uint8Array;
  readonly ordinal: number;
  readonly payloadBytes: number;
  readonly plainBytes: number;
  readonly sequence: number;
}

/** Payload of the announce frame. */
export interface Announcement {
  readonly sessionId: number;
  readonly castId: string;
  readonly manifestId: string;
  /** Chunk frames that follow. */
  readonly frames: number;
  /** Sum of the chunk frames' payloads and headers. */
  readonly bytes: number;
}

/** Payload of the trailer frame. */
export interface Trailer {
  /** Chunk frames sent; fewer than announced when damaged chunks were left out. */
  readonly frames: number;
  /** Ordinals that the server could not read; at most the first 100. */
  readonly skipped: readonly number[];
}

/** Writes the 64 header bytes at `offset` of `out`. */
export function writeFrameHeader(out: Buffer, offset: number, header: FrameHeader): void {
  out.fill(0, offset, offset + FRAME_HEADER_BYTES);
  out.writeUInt32LE(MAGIC, offset);
  out[offset + 4] = VERSION;
  out[offset + 5] = header.kind;
  out[offset + 6] = header.coding;
  out.set(header.nonce, offset + 8);
  out.set(header.manifestTag, offset + 16);
  out.writeUInt32LE(header.ordinal, offset + 24);
  out.writeUInt32LE(header.payloadBytes, offset + 28);
  out.writeUInt32LE(header.plainBytes, offset + 32);
  out.writeUInt32LE(header.sequence, offset + 36);
  out.writeUInt32LE(crc32(out.subarray(offset, offset + 60)), offset + 60);
}

/** Reads the header at `offset`; undefined when there is none (wrong magic, version, kind, CRC or lengths). */
export function readFrameHeader(bytes: Buffer, offset = 0): FrameHeader | undefined {
  if (bytes.length - offset < FRAME_HEADER_BYTES) return undefined;
  if (bytes.readUInt32LE(offset) !== MAGIC || bytes[offset + 4] !== VERSION) return undefined;
  if (bytes.readUInt32LE(offset + 60) !== crc32(bytes.subarray(offset, offset + 60))) return undefined;
  const kind = bytes[offset + 5]!;
  if (kind < FRAME_ANNOUNCE || kind > FRAME_TRAILER) return undefined;
  const payloadBytes = bytes.readUInt32LE(offset + 28);
  const plainBytes = bytes.readUInt32LE(offset + 32);
  if (payloadBytes > (kind === FRAME_CHUNK ? MAX_STORED_BYTES : MAX_CONTROL_BYTES)) return undefined;
  if (plainBytes > MAX_CHUNK_BYTES) return undefined;
  return {
    kind,
    coding: bytes[offset + 6]!,
    nonce: bytes.subarray(offset + 8, offset + 16),
    manifestTag: bytes.subarray(offset + 16, offset + 24),
    ordinal: bytes.readUInt32LE(offset + 24),
    payloadBytes,
    plainBytes,
    sequence: bytes.readUInt32LE(offset + 36),
  };
}
