import assert from 'node:assert/strict';
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { chunkIdOf } from '#protocol/chunk.ts';
import type { KnownError } from '#protocol/errors.ts';
import {
  type Announcement,
  FRAME_ANNOUNCE,
  FRAME_CHUNK,
  FRAME_HEADER_BYTES,
  FRAME_TRAILER,
  readFrameHeader,
  type Trailer,
} from '#protocol/frame.ts';
import { HoleSet } from '#protocol/holes.ts';
import { idAt, type Manifest } from '#protocol/manifest.ts';
import { findDamaged } from '#server/transfer/damage.ts';
import { type FramePlan, planFrames, readFrames } from '#server/transfer/frame-source.ts';
import { addImage, makeChunks, openTestStore, type TestStore } from '../images/test-store.ts';

const nonce = Buffer.from('0102030405060708', 'hex');

interface Frame {
  readonly kind: number;
  readonly ordinal: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

async function imageOf(open: TestStore, count: number): Promise<Manifest> {
  await addImage(open, 'win11', makeChunks(count));
  return open.catalog.loadManifest(open.catalog.resolve('win11').version.manifestId);
}

async function collect(plan: FramePlan, onSkipped?: (ordinal: number, error: Error) => void): Promise<Frame[]> {
  const pieces: Buffer[] = [];
  const options = { sessionId: 7, castId: '7-1', nonce, ...(onSkipped === undefined ? {} : { onSkipped }) };
  for await (const piece of readFrames(plan, options)) pieces.push(piece);
  return parse(Buffer.concat(pieces));
}

function parse(stream: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < stream.length; ) {
    const header = readFrameHeader(stream, at);
    assert.ok(header !== undefined, `no frame at ${at}`);
    assert.deepEqual(Buffer.from(header.nonce), nonce);
    const end = at + FRAME_HEADER_BYTES + header.payloadBytes;
    frames.push({ ...header, payload: stream.subarray(at + FRAME_HEADER_BYTES, end) });
    at = end;
  }
  return frames;
}

function contentOf<T>(frame: Frame | undefined): T {
  return JSON.parse(frame!.payload.toString()) as T;
}

async function packPath(open: TestStore): Promise<string> {
  const files = await readdir(open.dir, { recursive: true });
  const sizes = await Promise.all(
    files.map(async (file) => ({ file, bytes: (await stat(join(open.dir, file))).size })),
  );
  return join(open.dir, sizes.filter(({ file }) => file.includes('pack')).sort((a, b) => b.bytes - a.bytes)[0]!.file);
}

test('the frames of a whole image are announced, come in disk order, hold the chunks and end with a trailer', async (t) => {
  const open = await openTestStore(t);
  const manifest = await imageOf(open, 120);
  const plan = await planFrames({ store: open.store, manifest, holes: HoleSet.all(manifest.chunkCount) });
  const frames = await collect(plan);
  const announcement = contentOf<Announcement>(frames[0]);
  assert.equal(frames[0]!.kind, FRAME_ANNOUNCE);
  assert.deepEqual(announcement, {
    sessionId: 7,
    castId: '7-1',
    manifestId: manifest.id,
    frames: 120,
    bytes: plan.bytes,
  });
  const chunks = frames.filter((frame) => frame.kind === FRAME_CHUNK);
  assert.deepEqual(
    chunks.map((frame) => frame.ordinal),
    Array.from({ length: 120 }, (_, i) => i),
  );
  for (const { ordinal, payload } of chunks) {
    assert.ok(chunkIdOf(zstdDecompressSync(payload)).equals(idAt(manifest, ordinal)));
  }
  assert.equal(
    chunks.reduce((sum, frame) => sum + FRAME_HEADER_BYTES + frame.payload.length, 0),
    plan.bytes,
  );
  assert.equal(frames.at(-1)!.kind, FRAME_TRAILER);
  assert.deepEqual(contentOf<Trailer>(frames.at(-1)), { frames: 120, skipped: [] });
  assert.deepEqual(
    frames.map((frame) => frame.sequence),
    frames.map((_, i) => i),
  );
});

test('only the holes are sent, and neighbours in a pack are read together', async (t) => {
  const open = await openTestStore(t);
  const manifest = await imageOf(open, 100);
  const holes = HoleSet.none(100);
  for (const ordinal of [3, 4, 5, 50, 99]) holes.add(ordinal);
  let reads = 0;
  const store = {
    locate: (ids: Uint8Array) => open.store.locate(ids),
    readAt: (...args: Parameters<typeof open.store.readAt>) => {
      reads++;
      return open.store.readAt(...args);
    },
  };
  const frames = await collect(await planFrames({ store, manifest, holes }));
  assert.deepEqual(
    frames.slice(1, -1).map((frame) => frame.ordinal),
    [3, 4, 5, 50, 99],
  );
  assert.equal(reads, 3);
});

test('an image without holes is an announce frame and a trailer', async (t) => {
  const open = await openTestStore(t);
  const manifest = await imageOf(open, 4);
  const frames = await collect(await planFrames({ store: open.store, manifest, holes: HoleSet.none(4) }));
  assert.deepEqual(
    frames.map((frame) => frame.kind),
    [FRAME_ANNOUNCE, FRAME_TRAILER],
  );
});

test('a damaged stored header costs its own chunk only: it is told, and the trailer lists it', async (t) => {
  const open = await openTestStore(t);
  const manifest = await imageOf(open, 60);
  const plan = await planFrames({ store: open.store, manifest, holes: HoleSet.all(60) });
  const path = await packPath(open);
  const bytes = await readFile(path);
  bytes[plan.offsets[10]! + 9]! ^= 1;
  await writeFile(path, bytes);
  const skipped: string[] = [];
  const frames = await collect(plan, (ordinal, error) => skipped.push(`${ordinal} ${(error as KnownError).code}`));
  assert.deepEqual(skipped, ['10 CHUNK_CORRUPT']);
  assert.deepEqual(contentOf<Trailer>(frames.at(-1)), { frames: 59, skipped: [10] });
  assert.equal(frames.filter((frame) => frame.kind === FRAME_CHUNK).length, 59);
});

test('a pack that is cut short and a chunk that is not in the store are told, and the rest is sent', async (t) => {
  const open = await openTestStore(t);
  const manifest = await imageOf(open, 60);
  const plan = await planFrames({ store: open.store, manifest, holes: HoleSet.all(60) });
  await truncate(await packPath(open), plan.offsets[40]! + 70);
  const store = {
    locate: async (ids: Uint8Array) => {
      const found = await open.store.locate(ids);
      found.packIds[0] = -1;
      return found;
    },
    readAt: open.store.readAt.bind(open.store),
  };
  const codes = new Map<number, string>();
  const broken = await planFrames({ store, manifest, holes: HoleSet.all(60) });
  const frames = await collect(broken, (ordinal, error) => codes.set(ordinal, (error as KnownError).code));
  assert.equal(codes.get(0), 'CHUNK_MISSING');
  assert.equal(codes.get(59), 'PACK_CORRUPT');
  const sent = frames.filter((frame) => frame.kind === FRAME_CHUNK).length;
  const trailer = contentOf<Trailer>(frames.at(-1));
  assert.equal(trailer.frames, sent);
  assert.equal(trailer.skipped.length, 60 - sent);
});

test('damage inside a chunk is found where a host cannot get it', async (t) => {
  const open = await openTestStore(t);
  const manifest = await imageOf(open, 20);
  const plan = await planFrames({ store: open.store, manifest, holes: HoleSet.all(20) });
  assert.equal((await findDamaged(plan, 20)).count, 0);
  const path = await packPath(open);
  const bytes = await readFile(path);
  bytes[plan.offsets[6]! + 500]! ^= 1;
  await writeFile(path, bytes);
  assert.deepEqual([...(await findDamaged(plan, 20))], [6]);
});

test('a consumer that leaves early ends the reading', async (t) => {
  const open = await openTestStore(t);
  const manifest = await imageOf(open, 100);
  const plan = await planFrames({ store: open.store, manifest, holes: HoleSet.all(100) });
  let pieces = 0;
  for await (const _piece of readFrames(plan, { sessionId: 1, castId: '1-1', nonce })) if (++pieces === 2) break;
  assert.equal(pieces, 2);
});
