/**
 * Finds the frames of one cast in a stream of bytes (protocol/frame.ts). Pure: it looks at a window and says how far it came.
 *
 * Damage costs only what it hit: the reader looks for the next magic and goes on, counting what it left out. Frames of
 * another cast or image are never given out, nor is any chunk before the announcement has been found to match the order.
 */
import {
  type Announcement,
  FRAME_ANNOUNCE,
  FRAME_CHUNK,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC_BYTES,
  type FrameHeader,
  readFrameHeader,
  type Trailer,
} from '#protocol/frame.ts';
import { manifestTag } from '#protocol/manifest.ts';
import { CODING_ZSTD } from '#protocol/stored-chunk.ts';

/** What the order says the stream must be. */
export interface ExpectedStream {
  readonly sessionId: number;
  /** Absent for a repair over HTTP, which is no cast. */
  readonly castId?: string;
  readonly manifestId: string;
  /** 8 bytes. */
  readonly nonce: Uint8Array;
  readonly chunkCount: number;
  /** Longest payload that fits the reader's caller; longer ones are taken for damage. */
  readonly maxPayloadBytes: number;
}

/** A chunk frame; the payload begins at `offset` of the window. */
export interface ChunkFrame {
  readonly ordinal: number;
  readonly offset: number;
  readonly payloadBytes: number;
  readonly plainBytes: number;
}

export interface Scan {
  readonly frames: ChunkFrame[];
  /** The next window must begin with the byte at this offset. */
  readonly consumed: number;
}

export interface FrameCounts {
  frames: number;
  /** Bytes that belonged to no frame of this stream. */
  skippedBytes: number;
  /** Places that began like a frame of this stream and were none. */
  badFrames: number;
  /** Valid frames of another cast or another image. */
  foreignFrames: number;
  /** Chunk frames before a matching announcement. */
  unannouncedFrames: number;
}

export class FrameReader {
  readonly counts: FrameCounts = {
    frames: 0,
    skippedBytes: 0,
    badFrames: 0,
    foreignFrames: 0,
    unannouncedFrames: 0,
  };
  readonly #expected: ExpectedStream;
  readonly #nonce: Buffer;
  readonly #tag: Buffer;
  #announcement: Announcement | undefined;
  #mismatch: string | undefined;
  #trailer: Trailer | undefined;

  constructor(expected: ExpectedStream) {
    this.#expected = expected;
    this.#nonce = Buffer.from(expected.nonce);
    this.#tag = manifestTag(expected.manifestId);
  }

  get announcement(): Announcement | undefined {
    return this.#announcement;
  }

  /** Why the announcement does not match the order; then no chunk is ever given out. */
  get mismatch(): string | undefined {
    return this.#mismatch;
  }

  /** Present once the sender has said that this was all. */
  get trailer(): Trailer | undefined {
    return this.#trailer;
  }

  /** Finds the whole frames in `window`, which begins where the last scan's `consumed` says. */
  scan(window: Buffer): Scan {
    const frames: ChunkFrame[] = [];
    let at = 0;
    while (window.length - at >= FRAME_HEADER_BYTES) {
      const header = readFrameHeader(window, at);
      if (header === undefined || !this.#isOwn(header)) {
        this.#countLeftOut(header, window, at);
        at = this.#skipTo(nextMagic(window, at + 1), at);
        continue;
      }
      const end = at + FRAME_HEADER_BYTES + header.payloadBytes;
      if (end > window.length) break;
      const chunk = this.#take(header, window.subarray(at + FRAME_HEADER_BYTES, end), at + FRAME_HEADER_BYTES);
      if (chunk !== undefined) frames.push(chunk);
      at = end;
    }
    return { frames, consumed: at };
  }

  /** The stream ended with these bytes unconsumed. */
  finish(rest: number): void {
    this.counts.skippedBytes += rest;
    if (rest >= FRAME_HEADER_BYTES) this.counts.badFrames++;
  }

  #isOwn(header: FrameHeader): boolean {
    return (
      this.#nonce.equals(header.nonce) &&
      this.#tag.equals(header.manifestTag) &&
      header.payloadBytes <= this.#expected.maxPayloadBytes
    );
  }

  #countLeftOut(header: FrameHeader | undefined, window: Buffer, at: number): void {
    if (header !== undefined) this.counts.foreignFrames++;
    else if (beginsWithMagic(window, at)) this.counts.badFrames++;
  }

  #skipTo(next: number, at: number): number {
    this.counts.skippedBytes += next - at;
    return next;
  }

  #take(header: FrameHeader, payload: Buffer, offset: number): ChunkFrame | undefined {
    if (header.kind === FRAME_ANNOUNCE) {
      this.#announce(payload);
      return undefined;
    }
    if (header.kind !== FRAME_CHUNK) {
      this.#trailer = parseObject(payload) as Trailer | undefined;
      return undefined;
    }
    if (this.#announcement === undefined) {
      this.counts.unannouncedFrames++;
      return undefined;
    }
    if (header.ordinal >= this.#expected.chunkCount || header.coding !== CODING_ZSTD || header.payloadBytes === 0) {
      this.counts.badFrames++;
      return undefined;
    }
    this.counts.frames++;
    return { ordinal: header.ordinal, offset, payloadBytes: header.payloadBytes, plainBytes: header.plainBytes };
  }

  #announce(payload: Buffer): void {
    if (this.#announcement !== undefined || this.#mismatch !== undefined) return;
    const said = parseObject(payload) as Announcement | undefined;
    const { sessionId, castId, manifestId } = this.#expected;
    if (said === undefined) this.counts.badFrames++;
    else if (said.sessionId !== sessionId) this.#mismatch = `it is of session ${said.sessionId}, not ${sessionId}`;
    else if (castId !== undefined && said.castId !== castId)
      this.#mismatch = `it is cast ${said.castId}, not ${castId}`;
    else if (said.manifestId !== manifestId) this.#mismatch = 'it carries another image';
    else this.#announcement = said;
  }
}

/** Offset of the next magic at or after `from`, or of the bytes at the end that may be the beginning of one. */
function nextMagic(window: Buffer, from: number): number {
  const found = window.indexOf(FRAME_MAGIC_BYTES, from);
  return found === -1 ? Math.max(from, window.length - FRAME_MAGIC_BYTES.length + 1) : found;
}

function beginsWithMagic(window: Buffer, at: number): boolean {
  return FRAME_MAGIC_BYTES.every((byte, i) => window[at + i] === byte);
}

function parseObject(payload: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
