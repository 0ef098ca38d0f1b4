/** Filesystems that were used, for benches: a tree of real files, of which a quarter was deleted again. */
import { closeSync, openSync, rmSync, truncateSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readyBootAssets } from '#lab/boot-cache.ts';
import { runOnWorkbench } from '#lab/workbench.ts';
import { run } from '#system/run.ts';
import { copyTree } from './file-system-image.ts';

const MiB = 1024 * 1024;
const LIMIT_MS = 600_000;

export interface Kind {
  readonly name: string;
  readonly blkid: string;
  readonly partclone: string;
  readonly mkfs: readonly string[];
  /** mount: by this kernel · ntfs-3g: by FUSE · mtools: without mounting · workbench: by the agent's kernel in QEMU. */
  readonly fill: 'mount' | 'ntfs-3g' | 'mtools' | 'workbench';
}

export const kinds: readonly Kind[] = [
  {
    name: 'ext4',
    blkid: 'ext4',
    partclone: 'partclone.ext4',
    mkfs: ['mke2fs', '-q', '-F', '-t', 'ext4'],
    fill: 'mount',
  },
  { name: 'XFS', blkid: 'xfs', partclone: 'partclone.xfs', mkfs: ['mkfs.xfs', '-q', '-f'], fill: 'mount' },
  { name: 'Btrfs', blkid: 'btrfs', partclone: 'partclone.btrfs', mkfs: ['mkfs.btrfs', '-q', '-f'], fill: 'mount' },
  { name: 'NTFS', blkid: 'ntfs', partclone: 'partclone.ntfs', mkfs: ['mkntfs', '-q', '-F', '-f'], fill: 'ntfs-3g' },
  { name: 'FAT32', blkid: 'vfat', partclone: 'partclone.fat32', mkfs: ['mkfs.fat', '-F', '32'], fill: 'mtools' },
  { name: 'exFAT', blkid: 'exfat', partclone: 'partclone.exfat', mkfs: ['mkfs.exfat', '-q'], fill: 'workbench' },
  { name: 'F2FS', blkid: 'f2fs', partclone: 'partclone.f2fs', mkfs: ['mkfs.f2fs', '-q', '-f'], fill: 'workbench' },
];

/** A tree of about `wantedMiB` that every filesystem can hold: FAT and exFAT have no links, and want other names. */
export async function plainTree(tree: string, wantedMiB: number): Promise<string> {
  await copyTree(tree, wantedMiB);
  await run(['find', tree, '!', '-type', 'f', '!', '-type', 'd', '-delete']);
  await run(['find', tree, '-name', '*[:?<>|"*\\\\]*', '-delete']);
  return tree;
}

/** Makes the file `image` a filesystem three times as large as the tree; its size in bytes. */
export async function fillKind(
  kind: Kind,
  image: string,
  tree: string,
  folder: string,
  treeMiB: number,
): Promise<number> {
  const sizeBytes = Math.max(512, treeMiB * 3) * MiB;
  closeSync(openSync(image, 'w'));
  truncateSync(image, sizeBytes);
  const mountPoint = join(folder, 'mount');
  await mkdir(mountPoint, { recursive: true });
  const gone = (await readdir(join(tree, 'usr/share')))
    .filter((_, i) => i % 4 === 1)
    .map((name) => `usr/share/${name}`);
  if (kind.fill === 'workbench') {
    await fillOnWorkbench(kind, image, tree, folder, gone);
    return sizeBytes;
  }
  await run([...kind.mkfs, image]);
  if (kind.fill === 'mtools') {
    // Names that differ in their case alone are one there (-o): the last of them stays, as with the others that cp fills.
    await run(['mcopy', '-s', '-Q', '-o', '-i', image, join(tree, 'usr'), '::/'], { limitMs: LIMIT_MS });
    for (const path of gone) await run(['mdeltree', '-i', image, `::/${path}`], { okCodes: [0, 1] });
    return sizeBytes;
  }
  const mount = kind.fill === 'mount' ? ['mount', '-o', 'loop', image] : ['ntfs-3g', image];
  await run([...mount, mountPoint]);
  try {
    await run(['cp', '-r', join(tree, 'usr'), mountPoint], { limitMs: LIMIT_MS });
    await run(['rm', '-rf', ...gone.map((path) => join(mountPoint, path))]);
  } finally {
    await run(['umount', mountPoint], { limitMs: LIMIT_MS });
  }
  // ntfs-3g goes on writing after its umount has returned.
  await run(['sync', image]);
  return sizeBytes;
}

async function fillOnWorkbench(
  kind: Kind,
  image: string,
  tree: string,
  folder: string,
  gone: readonly string[],
): Promise<void> {
  const archive = join(folder, 'tree.tar');
  await run(['tar', '-C', tree, '-cf', archive, 'usr'], { limitMs: LIMIT_MS });
  const script = [
    'set -e',
    `${kind.mkfs.join(' ')} /dev/vda`,
    `mount -t ${kind.blkid} /dev/vda /mnt`,
    'busybox tar -C /mnt -xf /dev/vdb --no-same-owner --no-same-permissions',
    `cd /mnt; rm -rf ${gone.join(' ')}; cd /`,
    'umount /mnt',
  ].join('\n');
  const assets = await readyBootAssets(() => undefined);
  const { exitCode, output } = await runOnWorkbench({
    assets,
    workDir: join(folder, 'bench'),
    disks: [image, archive],
    script,
  });
  rmSync(archive);
  if (exitCode !== 0) throw new Error(output);
}
