/**
 * The frames of a cast or of a repair, straight from the packs: the stored bytes travel as they lie there, and the 64-byte
 * stored header becomes the 64-byte frame header in place.
 */
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import {
  type Announcement,
  FRAME_ANNOUNCE,
  FRAME_CHUNK,
  FRAME_HEADER_BYTES,
  FRAME_TRAILER,
  MANIFEST_TAG_BYTES,
  type Trailer,
  writeFrameHeader,
} from '#protocol/frame.ts';
import type { HoleSet } from '#protocol/holes.ts';
import { type Manifest, manifestTag } from '#protocol/manifest.ts';
import { readStoredHeader } from '#protocol/stored-chunk.ts';
import type { ChunkStore } from '../images/chunk-store.ts';

/** What frames need of the store. */
export type PackReader = Pick<ChunkStore, 'locate' | 'readAt'>;

/** Which chunks to send, in disk order, and where they lie. Typed arrays: an image has hundreds of thousands of chunks. */
export interface FramePlan {
  readonly reader: PackReader;
  readonly manifestId: string;
  /** Chunk frames, and their bytes with headers. */
  readonly frames: number;
  readonly bytes: number;
  readonly ordinals: Uint32Array;
  /** 32 bytes a frame. */
  readonly ids: Uint8Array;
  readonly packIds: Int32Array;
  readonly offsets: Float64Array;
  readonly storedBytes: Uint32Array;
  /** Ordinals that were asked for and are not in the store, ascending. */
  readonly missing: Uint32Array;
}

export interface CastIdentity {
  readonly sessionId: number;
  readonly castId: string;
  /** 8 bytes. */
  readonly nonce: Uint8Array;
}

export interface ReadOptions extends CastIdentity {
  /** A chunk that is left out, and why: CHUNK_MISSING, CHUNK_CORRUPT, PACK_CORRUPT. */
  onSkipped?(ordinal: number, error: Error): void;
  /** Bytes handed out, headers included; called when the consumer comes back for more. */
  onSent?(bytes: number): void;
}

/** Most bytes of one read. Large enough for a hard disk to stream, small enough to keep the memory of a cast at a few MiB. */
const RUN_BYTES = 1024 * 1024;
/** The trailer lists so many at the most; its payload has to stay below MAX_CONTROL_BYTES. */
const MAX_LISTED = 100;

/** Plans the frames of all chunks in `holes`. */
export async function planFrames(o: {
  readonly store: PackReader;
  readonly manifest: Manifest;
  readonly holes: HoleSet;
}): Promise<FramePlan> {
  const { store, manifest, holes } = o;
  const wanted = new Uint32Array(holes.count);
  let count = 0;
  for (const ordinal of holes) wanted[count++] = ordinal;
  const wantedIds = idsOf(manifest, wanted);
  const found = await store.locate(wantedIds);

  const ordinals = new Uint32Array(count);
  const missing = new Uint32Array(count);
  const packIds = new Int32Array(count);
  const offsets = new Float64Array(count);
  const storedBytes = new Uint32Array(count);
  let frames = 0;
  let lacking = 0;
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    if (found.packIds[i]! < 0) {
      missing[lacking++] = wanted[i]!;
      continue;
    }
    ordinals[frames] = wanted[i]!;
    packIds[frames] = found.packIds[i]!;
    offsets[frames] = found.offsets[i]!;
    storedBytes[frames] = found.storedBytes[i]!;
    bytes += FRAME_HEADER_BYTES + found.storedBytes[i]!;
    frames++;
  }
  const kept = ordinals.subarray(0, frames);
  return {
    reader: store,
    manifestId: manifest.id,
    frames,
    bytes,
    ordinals: kept,
    ids: lacking === 0 ? wantedIds : idsOf(manifest, kept),
    packIds: packIds.subarray(0, frames),
    offsets: offsets.subarray(0, frames),
    storedBytes: storedBytes.subarray(0, frames),
    missing: missing.slice(0, lacking),
  };
}

/**
 * Announce frame, chunk frames in disk order, trailer. Every buffer is the consumer's to keep. One run is read ahead, so that
 * the disk and the line work at the same time. A damaged chunk is left out, told to `onSkipped` and listed in the trailer.
 */
export async function* readFrames(plan: FramePlan, options: ReadOptions): AsyncGenerator<Buffer> {
  const tag = manifestTag(plan.manifestId);
  const skipped: number[] = [];
  const skip = (ordinal: number, error: Error) => {
    skipped.push(ordinal);
    options.onSkipped?.(ordinal, error);
  };
  for (const ordinal of plan.missing) skip(ordinal, knownError('CHUNK_MISSING', { chunk: `with ordinal ${ordinal}` }));

  const { sessionId, castId, nonce } = options;
  const announcement: Announcement = {
    sessionId,
    castId,
    manifestId: plan.manifestId,
    frames: plan.frames,
    bytes: plan.bytes,
  };
  let sequence = 0;
  const announce = controlFrame(FRAME_ANNOUNCE, announcement, nonce, tag, sequence++);
  yield announce;
  options.onSent?.(announce.length);

  let sent = 0;
  let ahead = readRun(plan, 0);
  while (ahead !== undefined) {
    const run = await ahead;
    ahead = readRun(plan, run.end);
    try {
      for (const piece of framesOf(plan, run, { nonce, tag, sequence }, skip)) {
        sequence += piece.frames;
        sent += piece.frames;
        yield piece.bytes;
        options.onSent?.(piece.bytes.length);
      }
    } finally {
      // When the consumer leaves early, nobody awaits the read ahead; it never rejects, but it must be over before the store closes.
      if (ahead !== undefined) await ahead;
    }
  }
  const trailer: Trailer = { frames: sent, skipped: skipped.sort((a, b) => a - b).slice(0, MAX_LISTED) };
  const last = controlFrame(FRAME_TRAILER, trailer, nonce, tag, sequence);
  yield last;
  options.onSent?.(last.length);
}

/** Frames [start, end) of a plan as they lie one after another in one pack; `error` when they could not be read. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
  readonly error?: Error;
}

/** Begins the read of the run that starts with frame `start`; undefined past the end. The promise never rejects. */
function readRun(plan: FramePlan, start: number): Promise<Run> | undefined {
  if (start >= plan.frames) return undefined;
  let end = start;
  let length = 0;
  do {
    length += FRAME_HEADER_BYTES + plan.storedBytes[end]!;
    end++;
  } while (end < plan.frames && isNextInPack(plan, end) && length + plan.storedBytes[end]! <= RUN_BYTES);
  return readFramesBetween(plan, start, end, length);
}

async function readFramesBetween(plan: FramePlan, start: number, end: number, length: number): Promise<Run> {
  // A buffer of its own for each run: a socket may still hold the last one when the next is read.
  const bytes = Buffer.allocUnsafeSlow(length);
  try {
    await plan.reader.readAt(plan.packIds[start]!, bytes, plan.offsets[start]!, length);
    return { start, end, bytes };
  } catch (error) {
    return { start, end, bytes, error: error as Error };
  }
}

function isNextInPack(plan: FramePlan, i: number): boolean {
  const before = i - 1;
  const endOfBefore = plan.offsets[before]! + FRAME_HEADER_BYTES + plan.storedBytes[before]!;
  return plan.packIds[i] === plan.packIds[before] && plan.offsets[i] === endOfBefore;
}

interface Piece {
  readonly bytes: Buffer;
  readonly frames: number;
}

/** Turns a run into pieces of whole frames; usually one piece, more where a damaged chunk is cut out. */
function* framesOf(
  plan: FramePlan,
  run: Run,
  head: { readonly nonce: Uint8Array; readonly tag: Uint8Array; readonly sequence: number },
  skip: (ordinal: number, error: Error) => void,
): Generator<Piece> {
  let { sequence } = head;
  let at = 0;
  let pieceAt = 0;
  let pieceFrames = 0;
  for (let i = run.start; i < run.end; i++) {
    const frameBytes = FRAME_HEADER_BYTES + plan.storedBytes[i]!;
    const problem = run.error ?? turnIntoFrame(plan, i, run.bytes, at, { ...head, sequence });
    if (problem === undefined) {
      sequence++;
      pieceFrames++;
    } else {
      skip(plan.ordinals[i]!, problem);
      if (pieceFrames > 0) yield { bytes: run.bytes.subarray(pieceAt, at), frames: pieceFrames };
      pieceAt = at + frameBytes;
      pieceFrames = 0;
    }
    at += frameBytes;
  }
  if (pieceFrames > 0) yield { bytes: run.bytes.subarray(pieceAt, at), frames: pieceFrames };
}

/** Writes the frame header over the stored header at `at`; returns why not when that is not the header of the chunk expected. */
function turnIntoFrame(
  plan: FramePlan,
  i: number,
  bytes: Buffer,
  at: number,
  head: { readonly nonce: Uint8Array; readonly tag: Uint8Array; readonly sequence: number },
): Error | undefined {
  const expectedId = plan.ids.subarray(i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES);
  const stored = readStoredHeader(bytes, at);
  const problem =
    stored === undefined
      ? 'its header is damaged'
      : !Buffer.from(stored.id.buffer, stored.id.byteOffset, CHUNK_ID_BYTES).equals(expectedId)
        ? 'another chunk lies in its place'
        : stored.storedBytes !== plan.storedBytes[i]
          ? 'its length is not the one of the index'
          : undefined;
  if (problem !== undefined) {
    const chunk = Buffer.from(expectedId).toString('hex').slice(0, 16);
    return knownError('CHUNK_CORRUPT', { chunk, pack: plan.packIds[i]!, problem });
  }
  writeFrameHeader(bytes, at, {
    kind: FRAME_CHUNK,
    coding: stored!.coding,
    nonce: head.nonce,
    manifestTag: head.tag,
    ordinal: plan.ordinals[i]!,
    payloadBytes: stored!.storedBytes,
    plainBytes: stored!.plainBytes,
    sequence: head.sequence,
  });
  return undefined;
}

function controlFrame(
  kind: number,
  payload: Announcement | Trailer,
  nonce: Uint8Array,
  tag: Uint8Array,
  sequence: number,
): Buffer {
  const json = Buffer.from(JSON.stringify(payload));
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + json.length);
  json.copy(frame, FRAME_HEADER_BYTES);
  writeFrameHeader(frame, 0, {
    kind,
    coding: 0,
    nonce,
    manifestTag: tag.subarray(0, MANIFEST_TAG_BYTES),
    ordinal: 0,
    payloadBytes: json.length,
    plainBytes: 0,
    sequence,
  });
  return frame;
}

/** The ids of these chunks, 32 bytes each. */
function idsOf(manifest: Manifest, ordinals: Uint32Array): Uint8Array {
  const ids = new Uint8Array(ordinals.length * CHUNK_ID_BYTES);
  for (let i = 0; i < ordinals.length; i++) {
    const from = ordinals[i]! * CHUNK_ID_BYTES;
    ids.set(manifest.ids.subarray(from, from + CHUNK_ID_BYTES), i * CHUNK_ID_BYTES);
  }
  return ids;
}
