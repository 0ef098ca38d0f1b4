/** A small image for tests: a disk's bytes, its manifest, and its frames as a sender would send them. */
import { zstdCompressSync } from 'node:zlib';
import {
  CHUNK_ID_BYTES,
  chunkIdOf,
  chunkIndicesOf,
  chunkLength,
  MIN_CHUNK_BYTES,
  maskUnused,
} from '#protocol/chunk.ts';
import { FRAME_ANNOUNCE, FRAME_CHUNK, FRAME_HEADER_BYTES, FRAME_TRAILER, writeFrameHeader } from '#protocol/frame.ts';
import type { Layout } from '#protocol/layout.ts';
import { decodeManifest, encodeManifest, type Manifest, manifestTag, placeOf } from '#protocol/manifest.ts';
import { CODING_ZSTD } from '#protocol/stored-chunk.ts';

export const SESSION_ID = 5;
export const CAST_ID = '5-1';
export const NONCE = Buffer.from('0102030405060708', 'hex');

export interface SampleImage {
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  /** What the disk holds where it is used; zeros elsewhere. */
  readonly disk: Buffer;
}

const KIB = 1024;
const CHUNK = MIN_CHUNK_BYTES;

/** Two partitions and a swap area; the last chunk of the first one is short, the second has unused parts. `seed` varies the content. */
export function makeSampleImage(seed = 1): SampleImage {
  const diskBytes = 4 * KIB * KIB;
  const layout: Layout = {
    label: 'gpt',
    labelId: '11111111-2222-3333-4444-555555555555',
    sectorBytes: 512,
    diskBytes,
    firstLba: 34,
    lastLba: diskBytes / 512 - 34,
    partitions: [
      { number: 1, startSector: 2048, sectors: 2047, type: '0FC63DAF-8483-4772-8E79-3D69D8477DE4' },
      { number: 2, startSector: 4096, sectors: 2048, type: '0FC63DAF-8483-4772-8E79-3D69D8477DE4' },
      { number: 3, startSector: 6144, sectors: 1024, type: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F' },
    ],
  };
  const volumes = [
    { start: 2048, sectors: 2047, extents: [0, 2047 * 512] },
    { start: 4096, sectors: 2048, extents: [4096, 3 * CHUNK + 512, 6 * CHUNK, 8 * CHUNK] },
  ].map(({ start, sectors, extents }, i) => ({
    head: {
      kind: 'partition',
      partition: i + 1,
      startBytes: start * 512,
      sizeBytes: sectors * 512,
      map: 'raw',
    } as const,
    extents: Float64Array.from(extents),
  }));
  const swap = {
    head: {
      kind: 'partition',
      partition: 3,
      startBytes: 6144 * 512,
      sizeBytes: 1024 * 512,
      map: 'none',
      swap: { uuid: '99999999-2222-3333-4444-555555555555', pageBytes: 4096 },
    } as const,
    extents: new Float64Array(0),
  };
  const disk = Buffer.alloc(diskBytes);
  const ids: Buffer[] = [];
  for (const { head, extents } of volumes) {
    for (const index of chunkIndicesOf(extents, CHUNK)) {
      const length = chunkLength(index, CHUNK, head.sizeBytes);
      const at = head.startBytes + index * CHUNK;
      const plain = disk.subarray(at, at + length);
      fillWithText(plain, seed * 1000 + at);
      maskUnused(plain, index * CHUNK, extents);
      ids.push(chunkIdOf(plain));
    }
  }
  const manifestBytes = encodeManifest(
    { chunkBytes: CHUNK, hash: 'blake3-256', layout },
    [...volumes, swap],
    Buffer.concat(ids, ids.length * CHUNK_ID_BYTES),
  );
  return { manifest: decodeManifest(manifestBytes), manifestBytes, disk };
}

/** Announcement, the chunks with these ordinals (all when absent), trailer: one frame an element. */
export function sampleFrames(
  image: SampleImage,
  o: { ordinals?: Iterable<number>; nonce?: Buffer; castId?: string; sessionId?: number } = {},
): Buffer[] {
  const { manifest, disk } = image;
  const ordinals = [...(o.ordinals ?? Array(manifest.chunkCount).keys())];
  const chunks = ordinals.map((ordinal) => {
    const { diskOffset, plainBytes } = placeOf(manifest, ordinal);
    return { ordinal, plainBytes, payload: zstdCompressSync(disk.subarray(diskOffset, diskOffset + plainBytes)) };
  });
  const announcement = {
    sessionId: o.sessionId ?? SESSION_ID,
    castId: o.castId ?? CAST_ID,
    manifestId: manifest.id,
    frames: chunks.length,
    bytes: chunks.reduce((sum, chunk) => sum + chunk.payload.length + FRAME_HEADER_BYTES, 0),
  };
  const frame = (kind: number, payload: Buffer, coding: number, ordinal = 0, plainBytes = 0, sequence = 0) => {
    const out = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
    payload.copy(out, FRAME_HEADER_BYTES);
    const nonce = o.nonce ?? NONCE;
    const header = { kind, coding, nonce, manifestTag: manifestTag(manifest.id), ordinal, plainBytes, sequence };
    writeFrameHeader(out, 0, { ...header, payloadBytes: payload.length });
    return out;
  };
  return [
    frame(FRAME_ANNOUNCE, Buffer.from(JSON.stringify(announcement)), 0),
    ...chunks.map(({ ordinal, plainBytes, payload }, i) =>
      frame(FRAME_CHUNK, payload, CODING_ZSTD, ordinal, plainBytes, i + 1),
    ),
    frame(FRAME_TRAILER, Buffer.from(JSON.stringify({ frames: chunks.length, skipped: [] })), 0),
  ];
}

/** Text that compresses like text and differs everywhere. */
function fillWithText(bytes: Buffer, seed: number): void {
  let state = seed >>> 0;
  for (let i = 0; i < bytes.length; i++) {
    if (i % 8 === 0) state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = 97 + ((state >>> (i % 8)) & 15);
  }
}
