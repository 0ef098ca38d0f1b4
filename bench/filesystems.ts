/**
 * Bench filesystems: from a partition to a safe image of it, by filesystem. Ours is map, hash, compress and store (every chunk
 * verified in the store, on the same processors); theirs is what Clonezilla runs, `partclone.FS -c | zstd`, and partclone to
 * /dev/null as the floor of what reading costs. Each filesystem was used: a tree of files, of which a quarter was deleted again.
 */
import { rmSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLoopDevice } from '#agent/disk/loop-device.ts';
import { mapVolumes } from '#agent/disk/used-extents.ts';
import { knownError } from '#protocol/errors.ts';
import { openDatabase } from '#server/db/database.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { timeCapture } from './capture.ts';
import { forgetPages } from './file-system-image.ts';
import { fillKind, type Kind, kinds, plainTree } from './used-filesystem.ts';

const LIMIT_MS = 600_000;
const ROUNDS = { quick: 3, full: 5 };

interface Row {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
}

interface Round {
  readonly map: number;
  readonly ours: number;
  readonly again: number;
  readonly theirs: number;
  readonly floor: number;
}

/** Medians in seconds, and theirs against ours in the same round. */
export async function benchFilesystems({ quick }: { quick: boolean }): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fc-bench-filesystems-'));
  try {
    const tree = join(folder, 'tree');
    const treeMiB = quick ? 160 : 640;
    await plainTree(tree, treeMiB);
    const rows: Row[] = [];
    for (const kind of kinds) {
      const image = join(folder, 'disk.img');
      await fillKind(kind, image, tree, folder, treeMiB);
      rows.push(await benchOne(kind, image, folder, quick ? ROUNDS.quick : ROUNDS.full));
      rmSync(image);
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchOne(kind: Kind, image: string, folder: string, count: number): Promise<Row> {
  const rounds: Round[] = [];
  let usedBytes = 0;
  for (let i = 0; i < count; i++) {
    const dir = join(folder, `store${i}`);
    const store = await ChunkStore.open({ dir, database: openDatabase(':memory:'), log: silentLogger });
    try {
      const map = await mapSeconds(image);
      const { seconds: ours, result } = await timeCapture(image, store);
      usedBytes = result.usedBytes;
      const theirs = await partcloneSeconds(kind, image, join(folder, 'image.zst'));
      const { seconds: again } = await timeCapture(image, store);
      rounds.push({ map, ours, again, theirs, floor: await partcloneSeconds(kind, image) });
    } finally {
      await store.close();
      await rm(dir, { recursive: true });
    }
  }
  const middle = (of: (round: Round) => number) => rounds.map(of).toSorted((a, b) => a - b)[rounds.length >> 1]!;
  return {
    name: kind.name,
    metrics: {
      usedMB: Math.round(usedBytes / 1e6),
      mapS: middle(({ map }) => map),
      captureS: middle(({ ours }) => ours),
      partcloneZstdS: middle(({ theirs }) => theirs),
      ratio: middle(({ ours, theirs }) => theirs / ours),
      recaptureS: middle(({ again }) => again),
      partcloneNullS: middle(({ floor }) => floor),
    },
  };
}

async function mapSeconds(image: string): Promise<number> {
  await forgetPages(image);
  const startedMs = performance.now();
  const span = { kind: 'disk' as const, startBytes: 0, sizeBytes: statSync(image).size };
  const [map] = await mapVolumes({ path: image, sectorBytes: 512 }, span);
  if (map?.extents === undefined)
    throw knownError('MAP_FAILED', { disk: image, volume: 'the disk', reason: map?.warnings.join() ?? '' });
  return (performance.now() - startedMs) / 1000;
}

/** Clonezilla 5.18: `partclone.FS -z 10485760 -N -L LOG -c -s DEV --output -` into `zstdmt -c -3` (ocs-functions). Without `out`: to /dev/null. */
async function partcloneSeconds({ partclone }: Kind, image: string, out?: string): Promise<number> {
  await forgetPages(image);
  const span = { path: image, startBytes: 0, sizeBytes: statSync(image).size, sectorBytes: 512, mode: 'read' as const };
  return withLoopDevice(span, async (device) => {
    const startedMs = performance.now();
    const clone = '"$1" -z 10485760 -q -L "$4.log" -c -s "$2" -o';
    // A pipe between two programs, without Node in the middle.
    const pipe =
      out === undefined
        ? `${clone} /dev/null -F 2>/dev/null`
        : `${clone} - 2>/dev/null | zstd -q -T0 -3 -f -o "$3" && sync "$3"`;
    await run(['sh', '-c', pipe, 'sh', partclone, device, out ?? '', `${image}.partclone`], { limitMs: LIMIT_MS });
    return (performance.now() - startedMs) / 1000;
  });
}
