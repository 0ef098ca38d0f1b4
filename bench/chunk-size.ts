/**
 * What the size of chunks costs and brings, on a real file tree: compression, speed, manifest, and how much is sent again
 * after files changed. docs/decisions/0003-chunk-size.md draws the conclusion. Processor seconds, not wall time: they hold
 * on a machine that does other things too.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { openDatabase } from '#server/db/database.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { timeCapture } from './capture.ts';
import { makeFileSystemImage } from './file-system-image.ts';

const KiB = 1024;
const chunkSizes = [64 * KiB, 256 * KiB, 1024 * KiB];

/** One entry a chunk size. Needs root: the drift is made through a mount. */
export async function benchChunkSize(o: {
  quick: boolean;
}): Promise<{ name: string; metrics: Record<string, number> }[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-bench-chunk-'));
  const before = join(folder, 'before.img');
  const after = join(folder, 'after.img');
  try {
    await makeFileSystemImage(before, join(folder, 'tree'), o.quick ? 128 : 512);
    copyFileSync(before, after);
    await drift(after, join(folder, 'mount'));
    const results: { name: string; metrics: Record<string, number> }[] = [];
    for (const chunkBytes of chunkSizes) {
      const metrics = await measure(chunkBytes, before, after, join(folder, `store-${chunkBytes}`));
      results.push({ name: `chunks of ${chunkBytes / KiB} KiB`, metrics });
    }
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(
  chunkBytes: number,
  before: string,
  after: string,
  storeDir: string,
): Promise<Record<string, number>> {
  const store = await ChunkStore.open({ dir: storeDir, database: openDatabase(':memory:'), log: silentLogger });
  try {
    const startedCpu = process.cpuUsage();
    const first = await timeCapture(before, store, chunkBytes);
    const captureCpuS = secondsOf(process.cpuUsage(startedCpu));
    const second = await timeCapture(after, store, chunkBytes);
    const usedGB = first.result.usedBytes / 1e9;
    return {
      usedMB: Math.round(usedGB * 1000),
      storedRatio: first.result.usedBytes / first.result.uploadedBytes,
      captureAndVerifyCpuSPerGB: captureCpuS / usedGB,
      decompressMBPerCpuS: decompressRate(before, chunkBytes),
      manifestKBPerUsedGB: first.manifestBytes.length / 1000 / usedGB,
      driftChunksShare: second.result.uploadedChunks / second.result.chunks,
      driftSentMB: second.result.uploadedBytes / 1e6,
    };
  } finally {
    await store.close();
    rmSync(storeDir, { recursive: true });
  }
}

/** What weeks of use do: every fiftieth file written anew in its place, every hundredth replaced, some added. */
async function drift(image: string, mountPoint: string): Promise<void> {
  mkdirSync(mountPoint);
  await run(['mount', '-o', 'loop', image, mountPoint]);
  try {
    const files = (await run(['find', mountPoint, '-type', 'f', '-size', '+0'])).stdout.trim().split('\n').sort();
    for (const [i, file] of files.entries()) {
      if (i % 50 === 0) await run(['dd', 'if=/dev/urandom', `of=${file}`, 'bs=4096', 'count=1', 'conv=notrunc']);
      if (i % 100 === 1) await run(['sed', '-i', '1s/^/changed/', file]);
      if (i % 200 === 2) await run(['cp', file, `${file}.new`]);
    }
  } finally {
    await run(['umount', mountPoint]);
  }
}

/** Of the first 64 MiB of the filesystem that compress at all. */
function decompressRate(image: string, chunkBytes: number): number {
  const plain = readFileSync(image).subarray(0, 256 * KiB * KiB);
  const stored: Buffer[] = [];
  let plainBytes = 0;
  for (let at = 0; at < plain.length && plainBytes < 64 * KiB * KiB; at += chunkBytes) {
    const chunk = zstdCompressSync(plain.subarray(at, at + chunkBytes));
    if (chunk.length < chunkBytes / 100) continue;
    stored.push(chunk);
    plainBytes += chunkBytes;
  }
  const started = process.cpuUsage();
  for (const chunk of stored) zstdDecompressSync(chunk, { maxOutputLength: chunkBytes });
  return plainBytes / 1e6 / secondsOf(process.cpuUsage(started));
}

function secondsOf(usage: NodeJS.CpuUsage): number {
  return (usage.user + usage.system) / 1e6;
}
