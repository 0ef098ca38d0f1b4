/**
 * Peak resident memory of a store while it takes in an image, and while it verifies it: each in a process of its own, as
 * the daemon would have it. `bin/node bench/store-memory.ts [MIB]` prints one line of JSON.
 */
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { CHUNK_ID_BYTES, chunkIdOf, DEFAULT_CHUNK_BYTES } from '#protocol/chunk.ts';
import { CODING_ZSTD, STORED_HEADER_BYTES, writeStoredHeader } from '#protocol/stored-chunk.ts';
import { openDatabase } from '#server/db/database.ts';
import { Catalog } from '#server/images/catalog.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import { verifyChunks } from '#server/images/verifier.ts';
import { systemClock } from '#system/clock.ts';
import { silentLogger } from '#system/log.ts';

/** The image as the agent sends it, made by another process, so that its memory is not counted. */
function makeStream(chunkCount: number): void {
  for (let i = 0; i < chunkCount; i++) {
    const plain = Buffer.alloc(DEFAULT_CHUNK_BYTES);
    randomFillSync(plain, 0, DEFAULT_CHUNK_BYTES / 2);
    const body = zstdCompressSync(plain);
    const stored = Buffer.alloc(STORED_HEADER_BYTES + body.length);
    const id = chunkIdOf(plain).subarray(0, CHUNK_ID_BYTES);
    writeStoredHeader(stored, 0, { coding: CODING_ZSTD, id, storedBytes: body.length, plainBytes: plain.length });
    stored.set(body, STORED_HEADER_BYTES);
    process.stdout.write(stored);
  }
}

async function peakMb(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1000);
}

async function work(job: 'intake' | 'verify', folder: string): Promise<void> {
  const database = openDatabase(join(folder, 'bench.db'));
  const dir = join(folder, 'store');
  const store = await ChunkStore.open({ dir, database, log: silentLogger });
  const startMb = await peakMb();
  if (job === 'intake') {
    const intake = await store.beginIntake();
    await intake.write(process.stdin);
    await intake.finish();
  } else {
    const catalog = await Catalog.open({ dir, database, store, clock: systemClock });
    for await (const line of verifyChunks({ store, catalog })) if (line.badCount > 0) throw new Error(line.bad[0]);
  }
  process.stderr.write(`${JSON.stringify({ job, startMb, peakMb: await peakMb() })}\n`);
  await store.close();
}

async function measure(mib: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fc-bench-memory-'));
  try {
    const start = (job: string, stdin: 'ignore' | 'pipe', stdout: 'ignore' | 'pipe') =>
      spawn(process.execPath, [import.meta.filename, job, folder, String(mib)], { stdio: [stdin, stdout, 'inherit'] });
    const maker = start('make', 'ignore', 'pipe');
    const intake = start('intake', 'pipe', 'ignore');
    maker.stdout!.pipe(intake.stdin!);
    await once(intake, 'exit');
    await once(start('verify', 'ignore', 'ignore'), 'exit');
  } finally {
    await rm(folder, { recursive: true });
  }
}

const [job, folder, mib] = process.argv.slice(2);
if (job === 'make') makeStream((Number(mib) * 1024 * 1024) / DEFAULT_CHUNK_BYTES);
else if (job === 'intake' || job === 'verify') await work(job, folder!);
else await measure(Number(job ?? 1024));
