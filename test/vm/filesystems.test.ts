/** Filesystems that this machine's kernel cannot mount: filled and looked at under the agent's kernel, captured here. */
import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyLayout } from '#agent/disk/layout-writer.ts';
import { runOnWorkbench } from '#lab/workbench.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { digestTree, makeEmptyFile, makeTree } from '#test/client-agent/filesystems.ts';
import { capture, diskOf } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;

interface ForeignFilesystem {
  readonly name: string;
  /** As blkid and mount call it. */
  readonly type: string;
  /** Absent: what `makeHere` has made is just as large as it must be. */
  readonly sizeBytes?: number;
  readonly map: string;
  /** Shell: makes it on the partition `$1`. Absent: `makeHere` has done so. */
  readonly make?: string;
  makeHere?(image: string, tree: string): Promise<void>;
  /** Shell: fails when the filesystem on `$1` has a fault. Absent: Debian has no checker, its kernel driver must do. */
  readonly check?: string;
  /** Checks it on this machine. */
  checkHere?(image: string): Promise<void>;
  /** False: no driver, so that only the checker tells. */
  readonly hasFiles: boolean;
  /** Made with its files in it, without a free block. */
  readonly isFull?: boolean;
}

const filesystems: readonly ForeignFilesystem[] = [
  {
    ...{ name: 'exFAT', type: 'exfat', sizeBytes: 40 * MiB, map: 'partclone.exfat', hasFiles: true },
    ...{ make: 'mkfs.exfat "$1"', check: 'fsck.exfat -n "$1"' },
  },
  {
    ...{ name: 'F2FS', type: 'f2fs', sizeBytes: 64 * MiB, map: 'partclone.f2fs', hasFiles: true },
    ...{ make: 'mkfs.f2fs -q "$1"', check: 'fsck.f2fs --dry-run "$1"' },
  },
  {
    ...{ name: 'Minix', type: 'minix', sizeBytes: 32 * MiB, map: 'partclone.minix', hasFiles: true },
    makeHere: async (image) => void (await run(['mkfs.minix', image])),
    checkHere: async (image) => void (await run(['fsck.minix', '-f', image])),
  },
  {
    // Debian has no mkfs.hfsplus: xorriso makes the volume with its files, full to the brim.
    ...{ name: 'HFS+', type: 'hfsplus', map: 'partclone.hfsp', hasFiles: true, isFull: true },
    makeHere: makeHfsPlus,
  },
  {
    ...{ name: 'APFS', type: 'apfs', sizeBytes: 600 * MiB, map: 'raw', hasFiles: false },
    makeHere: async (image) => void (await run(['mkapfs', image])),
    checkHere: async (image) => void (await run(['apfsck', image])),
  },
  {
    ...{ name: 'JFS', type: 'jfs', sizeBytes: 32 * MiB, map: 'raw', hasFiles: true },
    makeHere: async (image) => void (await run(['mkfs.jfs', '-q', image])),
    checkHere: async (image) => void (await run(['fsck.jfs', '-n', image])),
  },
];

test('filesystems of other systems come back from their used blocks', { skip: noVm }, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const tree = join(folder, 'tree');
  makeTree(tree);
  const archive = join(folder, 'tree.tar');
  await run(['tar', '-C', tree, '-cf', archive, '.']);
  const images = await Promise.all(filesystems.map((fs, i) => makeImage(fs, join(folder, `fs${i}.img`), tree)));
  const sizes = images.map((image) => statSync(image).size);
  const starts = sizes.map((_, i) => MiB + sizes.slice(0, i).reduce((sum, size) => sum + alignUp(size), 0));
  const diskBytes = starts.at(-1)! + sizes.at(-1)! + MiB;
  const [source, target] = [join(folder, 'source.img'), join(folder, 'target.img')];
  for (const disk of [source, target]) makeEmptyFile(disk, diskBytes);
  const lines = sizes.map((size, i) => `source${i + 1} : start=${starts[i]! / 512}, size=${size / 512}`);
  await run(['sfdisk', '--quiet', source], { input: ['label: gpt', '', ...lines, ''].join('\n') });
  for (const [i, image] of images.entries()) {
    await copyBytes(image, source, { seekBytes: starts[i]! });
    rmSync(image);
  }
  const filled = await runOnWorkbench({
    ...{ assets, workDir: join(folder, 'bench'), disks: [source, archive] },
    script: filesystems.map(fillScript).join('\n'),
  });
  assert.equal(filled.exitCode, 0, filled.output);

  const sink = new ChunkSink();
  const { warnings } = await capture(diskOf(source), sink.link);
  const manifest = sink.lay(target);
  await applyLayout(diskOf(target), manifest.head.layout);
  await t.test('those without a block map are named', () => {
    const named = ['partition 5: apfs', 'partition 6: jfs'].map((name) => `${name} has no block map: taken raw`);
    assert.deepEqual(warnings, named);
  });

  const looked = await runOnWorkbench({
    ...{ assets, workDir: join(folder, 'bench'), disks: [target] },
    script: filesystems.map(lookScript).join('\n'),
  });
  assert.equal(looked.exitCode, 0, looked.output);
  for (const [i, fs] of filesystems.entries()) {
    await t.test(`${fs.name} is sound, and its files are those of the source`, async () => {
      const volume = manifest.volumes.find((one) => one.partition === i + 1)!;
      assert.equal(volume.filesystem, fs.type);
      assert.equal(volume.map, fs.map);
      const used = volume.extents.reduce((sum, at, j) => sum + (j % 2 === 0 ? -at : at), 0);
      const most = fs.isFull === true ? 1 : 0.9;
      assert.ok(used <= sizes[i]! * most, `${used} bytes of ${sizes[i]} are used`);
      const words = looked.output.split(`LOOK ${fs.name}\n`)[1]!.split('LOOKED')[0]!;
      if (fs.hasFiles) {
        const found = words.split('\n').flatMap((line) => /^([0-9a-f]{64}) {2}\.\/(.*)$/.exec(line) ?? []);
        const pairs = found.flatMap((_, at) => (at % 3 === 0 ? [`${found[at + 2]} ${found[at + 1]}`] : []));
        assert.deepEqual(pairs.sort(), digestTree(tree).sort());
      }
      if (fs.checkHere !== undefined) {
        const image = join(folder, 'back.img');
        await copyBytes(target, image, { skipBytes: starts[i]!, bytes: sizes[i]! });
        await fs.checkHere(image);
        rmSync(image);
      }
    });
  }
});

function fillScript(fs: ForeignFilesystem, i: number): string {
  const device = `/dev/vda${i + 1}`;
  return [
    `set -e; set -- ${device}; ${fs.make ?? ':'}`,
    ...(fs.hasFiles && fs.isFull !== true
      ? [`mount -t ${fs.type} ${device} /mnt`, 'busybox tar -C /mnt -xf /dev/vdb --no-same-owner', 'umount /mnt']
      : []),
  ].join('\n');
}

function lookScript(fs: ForeignFilesystem, i: number): string {
  const device = `/dev/vda${i + 1}`;
  return [
    `set -e; echo "LOOK ${fs.name}"; set -- ${device}; ${fs.check ?? ':'}`,
    ...(fs.hasFiles
      ? [
          `mount -t ${fs.type} -o ro ${device} /mnt; cd /mnt`,
          'busybox find . -type f -exec busybox sha256sum {} +',
          'cd /; umount /mnt',
        ]
      : []),
    'echo LOOKED',
  ].join('\n');
}

/** The file to put on the disk: empty where the workbench makes the filesystem. */
async function makeImage(fs: ForeignFilesystem, image: string, tree: string): Promise<string> {
  if (fs.sizeBytes !== undefined) makeEmptyFile(image, fs.sizeBytes);
  await fs.makeHere?.(image, tree);
  return image;
}

/** The HFS+ part of a hybrid ISO image. */
async function makeHfsPlus(image: string, tree: string): Promise<void> {
  const iso = `${image}.iso`;
  await run(['xorriso', '-as', 'mkisofs', '-quiet', '-hfsplus', '-o', iso, tree]);
  const { stdout } = await run(['partx', '--noheadings', '--output', 'START,SECTORS,NAME', '--show', iso]);
  const [start, sectors] = /^\s*(\d+)\s+(\d+)\s+HFSPLUS/m.exec(stdout)!.slice(1).map(Number) as [number, number];
  await copyBytes(iso, image, { skipBytes: start * 512, bytes: sectors * 512 });
  rmSync(iso);
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / MiB) * MiB;
}

async function copyBytes(
  from: string,
  to: string,
  o: { readonly skipBytes?: number; readonly seekBytes?: number; readonly bytes?: number },
): Promise<void> {
  await run([
    ...['dd', `if=${from}`, `of=${to}`, 'bs=64K', 'conv=notrunc,sparse', 'status=none'],
    ...['iflag=skip_bytes,count_bytes', 'oflag=seek_bytes'],
    ...[`skip=${o.skipBytes ?? 0}`, `seek=${o.seekBytes ?? 0}`],
    ...(o.bytes === undefined ? [] : [`count=${o.bytes}`]),
  ]);
}
