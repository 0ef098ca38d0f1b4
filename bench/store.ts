/**
 * Bench (d): how fast the store feeds a cast. Every chunk of an image, in disk order, through ChunkStore.readAt in
 * coalesced runs, against `cat` of the same packs: both from a cold page cache when run as root, A and B in turn.
 */
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { CHUNK_ID_BYTES, chunkIdOf, DEFAULT_CHUNK_BYTES } from '#protocol/chunk.ts';
import { decodeManifest, encodeManifest } from '#protocol/manifest.ts';
import { CODING_ZSTD, STORED_HEADER_BYTES, writeStoredHeader } from '#protocol/stored-chunk.ts';
import { openDatabase } from '#server/db/database.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';

/** As the frame source reads. */
const RUN_BYTES = 1024 * 1024;

export interface BenchRow {
  readonly name: string;
  readonly metrics: Record<string, number>;
}

export async function benchStore({ quick }: { quick: boolean }): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'fleetcast-bench-store-'));
  const database = openDatabase(join(dir, 'bench.db'));
  const store = await ChunkStore.open({ dir: join(dir, 'store'), database, log: silentLogger });
  try {
    const chunkCount = quick ? 1000 : 6000;
    const { ids, intakeMbps } = await fillStore(store, chunkCount);
    const packs = store.table.packs().map((pack) => store.files.pathOf(pack.name));
    const rates: { store: number; cat: number }[] = [];
    for (let round = 0; round < (quick ? 3 : 5); round++) {
      const isCold = await dropPageCache();
      const read = await measure(() => readImage(store, ids));
      if (isCold) await dropPageCache();
      const cat = await measure(() => catPacks(packs));
      rates.push({ store: read, cat });
    }
    const ratios = rates.map((rate) => rate.store / rate.cat);
    return [
      { name: 'store: read in disk order, MB/s', metrics: spread(rates.map((rate) => rate.store)) },
      { name: 'store: cat of the same packs, MB/s', metrics: spread(rates.map((rate) => rate.cat)) },
      { name: 'store: read / cat', metrics: spread(ratios) },
      { name: 'store: intake with check of every chunk, plain MB/s', metrics: { once: intakeMbps } },
      {
        name: 'store: locate',
        metrics: { ...(await benchLocate(store, ids)), rssMb: process.memoryUsage.rss() / 1e6 },
      },
      { name: 'store: load a manifest of 240,000 chunks', metrics: benchManifest() },
    ];
  } finally {
    await store.close();
    database.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Chunks of 256 KiB, a third of which does not compress, as an image comes in. */
async function fillStore(store: ChunkStore, chunkCount: number): Promise<{ ids: Buffer; intakeMbps: number }> {
  const ids = Buffer.alloc(chunkCount * CHUNK_ID_BYTES);
  const intake = await store.beginIntake();
  let makeMs = 0;
  async function* stream() {
    for (let i = 0; i < chunkCount; i++) {
      const startMs = performance.now();
      const plain = Buffer.alloc(DEFAULT_CHUNK_BYTES);
      randomFillSync(plain, 0, DEFAULT_CHUNK_BYTES / 3);
      const id = chunkIdOf(plain);
      id.copy(ids, i * CHUNK_ID_BYTES);
      const body = zstdCompressSync(plain);
      const header = Buffer.alloc(STORED_HEADER_BYTES);
      writeStoredHeader(header, 0, { coding: CODING_ZSTD, id, storedBytes: body.length, plainBytes: plain.length });
      makeMs += performance.now() - startMs;
      yield header;
      yield body;
    }
  }
  const startMs = performance.now();
  await intake.write(stream());
  await intake.finish();
  // Making the chunks is the agent's work, not the store's.
  const tookMs = performance.now() - startMs - makeMs;
  return { ids, intakeMbps: (chunkCount * DEFAULT_CHUNK_BYTES) / 1000 / tookMs };
}

/** Reads every chunk; neighbours in one go. Returns the bytes. */
async function readImage(store: ChunkStore, ids: Buffer): Promise<number> {
  const { packIds, offsets, storedBytes } = await store.locate(ids);
  const buffer = Buffer.allocUnsafeSlow(RUN_BYTES * 2);
  let total = 0;
  for (let i = 0; i < packIds.length; ) {
    const packId = packIds[i]!;
    const offset = offsets[i]!;
    let bytes = 0;
    for (; i < packIds.length && packIds[i] === packId && offsets[i] === offset + bytes && bytes < RUN_BYTES; i++) {
      bytes += STORED_HEADER_BYTES + storedBytes[i]!;
    }
    await store.readAt(packId, buffer, offset, bytes);
    total += bytes;
  }
  return total;
}

/** Its output goes to /dev/null; returns the bytes. */
async function catPacks(packs: readonly string[]): Promise<number> {
  const child = spawn('cat', packs, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`cat ended with ${code}`);
  const sizes = await Promise.all(packs.map(async (pack) => (await stat(pack)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Looks up as many ids as a 60 GB image has chunks, whatever the image holds. */
async function benchLocate(store: ChunkStore, ids: Buffer): Promise<Record<string, number>> {
  const asked = Buffer.alloc(240_000 * CHUNK_ID_BYTES);
  for (let at = 0; at < asked.length; at += ids.length) ids.copy(asked, at);
  const startMs = performance.now();
  await store.locate(asked);
  return { msFor240000: performance.now() - startMs };
}

/** Decodes and checks the manifest of a 60 GB image: ms, and what it holds in memory. */
function benchManifest(): Record<string, number> {
  const sizeBytes = 240_000 * DEFAULT_CHUNK_BYTES;
  const layout = { label: 'none' as const, sectorBytes: 512, diskBytes: sizeBytes, partitions: [] };
  const head = { kind: 'disk' as const, startBytes: 0, sizeBytes, map: 'raw' };
  const ids = Buffer.alloc(240_000 * CHUNK_ID_BYTES);
  randomFillSync(ids);
  const volume = { head, extents: Float64Array.of(0, sizeBytes) };
  const bytes = encodeManifest({ chunkBytes: DEFAULT_CHUNK_BYTES, hash: 'blake3-256', layout }, [volume], ids);
  const before = process.memoryUsage();
  const startMs = performance.now();
  const manifest = decodeManifest(bytes);
  const loadMs = performance.now() - startMs;
  const after = process.memoryUsage();
  const heldMb = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 1e6;
  return { chunks: manifest.chunkCount, loadMs, fileMb: bytes.length / 1e6, heldMb };
}

/** False when this process may not. */
async function dropPageCache(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  await run(['sync']);
  await writeFile('/proc/sys/vm/drop_caches', '3');
  return true;
}

/** MB/s of something that returns its bytes. */
async function measure(read: () => Promise<number>): Promise<number> {
  const startMs = performance.now();
  const bytes = await read();
  return bytes / 1000 / (performance.now() - startMs);
}

function spread(values: readonly number[]): Record<string, number> {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0]!, median: sorted[sorted.length >> 1]!, max: sorted.at(-1)! };
}
