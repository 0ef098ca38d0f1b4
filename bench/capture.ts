/**
 * Bench (c): capture MB/s against `partclone.ext4 -c | zstd -T0 -3` on the same filesystem. Both read from the disk and end
 * with the data on stable storage; ours also verifies every chunk in the store, in the same process and on the same processors.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLoopDevice } from '#agent/disk/loop-device.ts';
import { type CaptureLink, runCapture } from '#agent/orders/capture.ts';
import { DEFAULT_CHUNK_BYTES } from '#protocol/chunk.ts';
import { decodeManifest } from '#protocol/manifest.ts';
import type { CaptureResult } from '#protocol/task-result.ts';
import { openDatabase } from '#server/db/database.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { diskOf } from '#test/client-agent/test-disk.ts';
import { forgetPages, makeFileSystemImage } from './file-system-image.ts';

const LIMIT_MS = 600_000;

/** Medians of MB/s (used bytes), their ratio in each round, and MB/s of a second capture that sends nothing. */
export async function benchCapture(o: {
  quick: boolean;
}): Promise<{ name: string; metrics: Record<string, number> }[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-bench-capture-'));
  const image = join(folder, 'disk.img');
  try {
    await makeFileSystemImage(image, join(folder, 'tree'), o.quick ? 512 : 1024);
    const rounds: { ours: number; again: number; partclone: number }[] = [];
    let usedBytes = 0;
    for (let round = 0; round < (o.quick ? 3 : 5); round++) {
      const storeDir = join(folder, `store${round}`);
      const { result, seconds: ours, againSeconds: again } = await captureTwice(image, storeDir);
      rmSync(storeDir, { recursive: true });
      usedBytes = result.usedBytes;
      rounds.push({ ours, again, partclone: await partcloneSeconds(image, join(folder, 'image.zst')) });
    }
    const rate = (seconds: number) => usedBytes / 1e6 / seconds;
    const ratios = rounds.map(({ ours, partclone }) => partclone / ours).sort((a, b) => a - b);
    return [
      {
        name: 'capture',
        metrics: {
          usedMB: Math.round(usedBytes / 1e6),
          captureMBs: rate(median(rounds.map((one) => one.ours))),
          recaptureMBs: rate(median(rounds.map((one) => one.again))),
          partcloneZstdMBs: rate(median(rounds.map((one) => one.partclone))),
          ratioMin: ratios[0]!,
          ratioMedian: median(ratios),
          ratioMax: ratios.at(-1)!,
        },
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Captures into an empty store, then once more. Seconds until everything is safe on disk. */
async function captureTwice(
  image: string,
  storeDir: string,
): Promise<{ result: CaptureResult; seconds: number; againSeconds: number }> {
  const store = await ChunkStore.open({ dir: storeDir, database: openDatabase(':memory:'), log: silentLogger });
  try {
    const first = await timeCapture(image, store);
    const again = await timeCapture(image, store);
    return { result: first.result, seconds: first.seconds, againSeconds: again.seconds };
  } finally {
    await store.close();
  }
}

/** One capture of a file into a store, without a network between them. */
export async function timeCapture(
  image: string,
  store: ChunkStore,
  chunkBytes = DEFAULT_CHUNK_BYTES,
): Promise<{ result: CaptureResult; seconds: number; manifestBytes: Buffer }> {
  await forgetPages(image);
  const intake = await store.beginIntake();
  let manifestBytes: Buffer = Buffer.alloc(0);
  const link: CaptureLink = {
    lacking: async (_taskId, ids) => intake.lacking(ids),
    chunks: (_taskId, body) => intake.write(body),
    manifest: async (_taskId, bytes) => {
      manifestBytes = bytes;
      return { manifestId: decodeManifest(bytes).id, image: 'bench', version: 1, isNew: true };
    },
  };
  const startedMs = performance.now();
  const disk = diskOf(image);
  const result = await runCapture(
    { kind: 'capture', rev: '', taskId: 1, sessionId: 1, disk, chunkBytes, zstdLevel: 3 },
    { disks: [disk], link, signal: AbortSignal.timeout(LIMIT_MS), onProgress: () => {} },
  );
  await intake.finish();
  return { result, seconds: (performance.now() - startedMs) / 1000, manifestBytes };
}

async function partcloneSeconds(image: string, out: string): Promise<number> {
  await forgetPages(image);
  const span = { path: image, startBytes: 0, sizeBytes: statSync(image).size, sectorBytes: 512, mode: 'read' as const };
  return withLoopDevice(span, async (device) => {
    const startedMs = performance.now();
    // A pipe between two programs, without Node in the middle.
    const pipe = 'partclone.ext4 -c -s "$1" -L "$2.log" -q 2>/dev/null | zstd -q -T0 -3 -f -o "$2" && sync "$2"';
    await run(['sh', '-c', pipe, 'sh', device, out], { limitMs: LIMIT_MS });
    return (performance.now() - startedMs) / 1000;
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
