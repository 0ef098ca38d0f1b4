/** A real store in a temporary folder, and chunks and manifests to put into it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { CHUNK_ID_BYTES, chunkIdOf } from '#protocol/chunk.ts';
import { encodeManifest } from '#protocol/manifest.ts';
import { CODING_ZSTD, STORED_HEADER_BYTES, writeStoredHeader } from '#protocol/stored-chunk.ts';
import { type Database, openDatabase } from '#server/db/database.ts';
import { Catalog } from '#server/images/catalog.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import type { Intake } from '#server/images/intake.ts';
import { silentLogger } from '#system/log.ts';

export const TEST_CHUNK_BYTES = 64 * 1024;
export const TEST_TIME_MS = 1_790_000_000_000;

export interface TestChunk {
  readonly id: Buffer;
  readonly plain: Buffer;
  /** Header and stored bytes. */
  readonly stored: Buffer;
}

/** The same seed makes the same chunk. About a third of it does not compress. */
export function makeChunk(seed: number, plainBytes = TEST_CHUNK_BYTES): TestChunk {
  const plain = Buffer.alloc(plainBytes, seed & 0xff);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let i = 0; i + 4 <= plainBytes / 3; i += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    plain.writeUInt32LE(state >>> 0, i);
  }
  return storeChunk(plain);
}

export function storeChunk(plain: Buffer): TestChunk {
  const id = chunkIdOf(plain);
  const body = zstdCompressSync(plain);
  const header = Buffer.alloc(STORED_HEADER_BYTES);
  writeStoredHeader(header, 0, { coding: CODING_ZSTD, id, storedBytes: body.length, plainBytes: plain.length });
  return { id, plain, stored: Buffer.concat([header, body]) };
}

export function makeChunks(count: number, firstSeed = 1): TestChunk[] {
  return Array.from({ length: count }, (_, i) => makeChunk(firstSeed + i));
}

export function idsOf(chunks: readonly TestChunk[]): Buffer {
  return Buffer.concat(chunks.map((chunk) => chunk.id));
}

/** The stored chunks as they come over the network: cut anywhere. */
export async function* streamOf(chunks: readonly TestChunk[], pieceBytes = 10_000): AsyncGenerator<Buffer> {
  const all = Buffer.concat(chunks.map((chunk) => chunk.stored));
  for (let at = 0; at < all.length; at += pieceBytes) yield all.subarray(at, at + pieceBytes);
}

/** A manifest of a disk without a table that holds these chunks from its first byte on. */
export function manifestOf(chunks: readonly TestChunk[], chunkBytes = TEST_CHUNK_BYTES): Buffer {
  const sizeBytes = chunks.length * chunkBytes;
  const head = { kind: 'disk', startBytes: 0, sizeBytes, map: 'raw' } as const;
  const layout = { label: 'none', sectorBytes: 512, diskBytes: sizeBytes, partitions: [] } as const;
  return encodeManifest(
    { chunkBytes, hash: 'blake3-256', layout: { ...layout, partitions: [] } },
    [{ head, extents: Float64Array.of(0, sizeBytes) }],
    idsOf(chunks),
  );
}

export interface TestStore {
  readonly dir: string;
  readonly database: Database;
  readonly store: ChunkStore;
  readonly catalog: Catalog;
  /** Closes all and opens it again; `forget`: without the database. */
  reopen(forget?: 'forget'): Promise<TestStore>;
}

/** Opens a store that is closed and removed when the test ends. `dir`: a folder that the test looks after. */
export async function openTestStore(t: TestContext, dir?: string): Promise<TestStore> {
  const own = dir ?? (await mkdtemp(join(tmpdir(), 'fleetcast-store-')));
  let open: Omit<TestStore, 'reopen'> | undefined;
  t.after(async () => {
    if (open !== undefined) await closeStore(open);
    if (dir === undefined) await rm(own, { recursive: true, force: true });
  });
  const openNow = async (): Promise<TestStore> => {
    const database = openDatabase(join(own, 'fleetcast.db'));
    const storeDir = join(own, 'store');
    const store = await ChunkStore.open({ dir: storeDir, database, log: silentLogger });
    const clock = { nowMs: () => TEST_TIME_MS, steadyMs: () => TEST_TIME_MS, sleep: async () => {} };
    const catalog = await Catalog.open({ dir: storeDir, database, store, clock });
    open = { dir: storeDir, database, store, catalog };
    return { ...open, reopen };
  };
  const reopen = async (forget?: 'forget'): Promise<TestStore> => {
    if (open !== undefined) await closeStore(open);
    open = undefined;
    if (forget) for (const end of ['', '-wal', '-shm']) await rm(join(own, `fleetcast.db${end}`), { force: true });
    return openNow();
  };
  return openNow();
}

async function closeStore({ store, database }: Omit<TestStore, 'reopen'>): Promise<void> {
  await store.close();
  database.close();
}

/** Captures chunks as a version of an image. */
export async function addImage(test: TestStore, image: string, chunks: readonly TestChunk[]): Promise<Intake> {
  const intake = await test.store.beginIntake();
  await intake.write(streamOf(chunks));
  const { addedBytes } = await intake.finish();
  const manifestBytes = manifestOf(chunks);
  await test.catalog.addVersion({ image, sourceHost: 'pc-1', manifestBytes, warnings: [], addedBytes });
  return intake;
}

/** The chunk as the store gives it back. */
export async function readStored(store: ChunkStore, id: Buffer): Promise<Buffer> {
  const { packIds, offsets, storedBytes } = await store.locate(id);
  const buffer = Buffer.alloc(STORED_HEADER_BYTES + storedBytes[0]!);
  await store.readAt(packIds[0]!, buffer, offsets[0]!, buffer.length);
  return buffer;
}

/** Ids that the bitmap of `lacking` names. */
export function lackingPlaces(bitmap: Buffer, ids: Buffer): number[] {
  const count = ids.length / CHUNK_ID_BYTES;
  return Array.from({ length: count }, (_, i) => i).filter((i) => (bitmap[i >> 3]! & (1 << (i & 7))) !== 0);
}
