/**
 * Bench fit: the bytes that fitting writes beside the image itself. On a host: the disk's own counter (sectors written, of a loop
 * device) while a filesystem grows and is checked, for disks twice and ten times as large. On the server: what `image fit` hands to
 * storage, with the programs that it runs, by the kernel's counter of the process (proc_pid_io(5), write_bytes).
 */
import { closeSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { growFilesystem } from '#agent/disk/filesystem-grower.ts';
import { runCapture } from '#agent/orders/capture.ts';
import { openDatabase } from '#server/db/database.ts';
import { Catalog } from '#server/images/catalog.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import { fitImage } from '#server/images/image-fitter.ts';
import { systemClock } from '#system/clock.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { diskOf } from '#test/client-agent/test-disk.ts';
import { fillKind, type Kind, kinds, plainTree } from './used-filesystem.ts';

const MiB = 1024 * 1024;
const SECTOR_BYTES = 512;

interface Row {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
}

export async function benchFitWrites({ quick }: { quick: boolean }): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fc-bench-fit-'));
  const treeMiB = quick ? 100 : 400;
  try {
    const tree = await plainTree(join(folder, 'tree'), treeMiB);
    const rows: Row[] = [];
    for (const kind of kinds.filter(({ name }) => ['ext4', 'NTFS', 'XFS', 'Btrfs', 'F2FS'].includes(name))) {
      rows.push(await benchGrowth(kind, tree, folder, treeMiB));
    }
    for (const kind of kinds.filter(({ name }) => ['ext4', 'NTFS', 'Btrfs'].includes(name))) {
      rows.push(await benchServerFit(kind, tree, folder, treeMiB));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchGrowth(kind: Kind, tree: string, folder: string, treeMiB: number): Promise<Row> {
  const image = join(folder, 'disk.img');
  const metrics: Record<string, number> = { imageMB: Math.round((treeMiB * 0.75 * MiB) / 1e6) };
  for (const times of [2, 10]) {
    const sizeBytes = await fillKind(kind, image, tree, folder, treeMiB);
    truncateSync(image, sizeBytes * times);
    const node = (await run(['losetup', '--find', '--show', image])).stdout.trim();
    try {
      const before = writtenBytes(node);
      const place = { filesystem: kind.blkid, startBytes: 0, sizeBytes: sizeBytes * times, where: 1 };
      await growFilesystem({ path: node, sectorBytes: SECTOR_BYTES }, place);
      await run(['blockdev', '--flushbufs', node]);
      metrics[`grown${times}xMB`] = (writtenBytes(node) - before) / 1e6;
    } finally {
      await run(['losetup', '--detach', node]);
    }
    rmSync(image);
  }
  return { name: `${kind.name} grows on the host`, metrics };
}

/** Documentation/admin-guide/iostats.rst: field 7 of a device's stat, in units of 512 bytes. */
function writtenBytes(node: string): number {
  const fields = readFileSync(`/sys/block/${basename(node)}/stat`, 'utf8')
    .trim()
    .split(/\s+/);
  return Number(fields[6]) * SECTOR_BYTES;
}

async function benchServerFit(kind: Kind, tree: string, folder: string, treeMiB: number): Promise<Row> {
  const [image, fs] = [join(folder, 'disk.img'), join(folder, 'fs.img')];
  const sizeBytes = await fillKind(kind, fs, tree, folder, treeMiB);
  closeSync(openSync(image, 'w'));
  truncateSync(image, sizeBytes + 2 * MiB);
  await run(['sfdisk', '--quiet', image], { input: `label: gpt\n\nstart=2048, size=${sizeBytes / SECTOR_BYTES}\n` });
  await run(['dd', `if=${fs}`, `of=${image}`, 'bs=1M', 'seek=1', 'conv=notrunc,sparse', 'status=none']);
  rmSync(fs);
  const database = openDatabase(':memory:');
  const dir = join(folder, 'store');
  const store = await ChunkStore.open({ dir, database, log: silentLogger });
  try {
    const catalog = await Catalog.open({ dir, database, store, clock: systemClock });
    const intake = await store.beginIntake();
    const disk = diskOf(image);
    const signal = AbortSignal.timeout(600_000);
    const { usedBytes } = await runCapture(
      { kind: 'capture', rev: '', taskId: 1, sessionId: 1, disk, chunkBytes: 256 * 1024, zstdLevel: 3 },
      {
        ...{ disks: [disk], signal, onProgress: () => undefined },
        link: {
          lacking: async (_taskId, ids) => intake.lacking(ids),
          chunks: (_taskId, body) => intake.write(body),
          manifest: async (_taskId, manifestBytes) => {
            const { addedBytes } = await intake.finish();
            return catalog.addVersion({ image: 'one', sourceHost: 'pc-1', manifestBytes, warnings: [], addedBytes });
          },
        },
      },
    );
    const before = storageBytes();
    let addedBytes = 0;
    // Btrfs does not give back all that is free.
    const toBytes = Math.ceil((sizeBytes * 0.75) / MiB) * MiB;
    const o = {
      store,
      catalog,
      ref: 'one',
      sizes: { toBytes },
      name: 'two',
      workDir: join(folder, 'work'),
      zstdLevel: 3,
      signal,
    };
    for await (const line of fitImage(o)) addedBytes = line.done?.addedBytes ?? addedBytes;
    const wrote = storageBytes() - before;
    const metrics = { imageMB: usedBytes / 1e6, wroteMB: wrote / 1e6, addedToStoreMB: addedBytes / 1e6 };
    return { name: `${kind.name} is made smaller on the server`, metrics: { ...metrics, ratio: wrote / usedBytes } };
  } finally {
    await store.close();
    await rm(dir, { recursive: true });
    rmSync(image);
  }
}

/** Of this process and of the programs that it ran and waited for. */
function storageBytes(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
}
