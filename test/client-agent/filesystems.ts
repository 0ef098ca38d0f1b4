/** Real filesystems with real files, made and read back by their own tools, without mounting where that is possible. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#system/run.ts';

export interface TestFilesystem {
  readonly name: string;
  readonly blkidType: string;
  readonly sizeBytes: number;
  /** Fills the file `image` (of the right size) with a filesystem that holds the files of `tree`. */
  make(image: string, tree: string): Promise<void>;
  /** Fails when the filesystem's own checker finds fault. */
  check(image: string): Promise<void>;
  /** Copies the files out to the empty folder `out`. */
  extract(image: string, out: string, tree: string): Promise<void>;
}

const MiB = 1024 * 1024;

export const filesystems: readonly TestFilesystem[] = [
  ...[
    { name: 'ext2 with blocks of 1 KiB', blkidType: 'ext2', args: ['-t', 'ext2', '-b', '1024'] },
    { name: 'ext3', blkidType: 'ext3', args: ['-t', 'ext3'] },
    { name: 'ext4', blkidType: 'ext4', args: ['-t', 'ext4', '-b', '4096'] },
  ].map(({ name, blkidType, args }) => ({
    name,
    blkidType,
    sizeBytes: 40 * MiB,
    make: async (image: string, tree: string) => void (await run(['mke2fs', '-q', ...args, '-d', tree, image])),
    check: async (image: string) => void (await run(['e2fsck', '-fn', image])),
    extract: async (image: string, out: string) => {
      await run(['debugfs', '-R', `rdump / ${out}`, image]);
      await run(['rmdir', join(out, 'lost+found')]);
    },
  })),
  ...[
    { name: 'FAT16', args: ['-F', '16'], sizeBytes: 32 * MiB },
    { name: 'FAT32', args: ['-F', '32'], sizeBytes: 48 * MiB },
  ].map(({ name, args, sizeBytes }) => ({
    name,
    blkidType: 'vfat',
    sizeBytes,
    make: async (image: string, tree: string) => {
      await run(['mkfs.fat', ...args, image]);
      await run(['mcopy', '-s', '-i', image, ...readdirSync(tree).map((entry) => join(tree, entry)), '::/']);
    },
    check: async (image: string) => void (await run(['fsck.fat', '-n', image])),
    extract: async (image: string, out: string) => void (await run(['mcopy', '-s', '-n', '-i', image, '::/*', out])),
  })),
  {
    name: 'NTFS',
    blkidType: 'ntfs',
    sizeBytes: 48 * MiB,
    // ntfscp makes no folders: the files go to the root, their paths written with `~`.
    make: async (image, tree) => {
      await run(['mkfs.ntfs', '-q', '-F', '-f', image]);
      for (const path of listFiles(tree))
        await run(['ntfscp', '-f', image, join(tree, path), path.replaceAll('/', '~')]);
    },
    check: async (image) => {
      await run(['ntfsfix', '-n', image]);
      const bytes = readFileSync(image);
      if (!bytes.subarray(-512).equals(bytes.subarray(0, 512))) throw new Error('the copy of the boot sector is wrong');
    },
    extract: async (image, out, tree) => {
      for (const path of listFiles(tree)) {
        mkdirSync(join(out, path, '..'), { recursive: true });
        // Through a file: `run` reads text.
        await run([
          'sh',
          '-c',
          'exec ntfscat "$1" "$2" >"$3"',
          'sh',
          image,
          path.replaceAll('/', '~'),
          join(out, path),
        ]);
      }
    },
  },
  {
    name: 'XFS',
    blkidType: 'xfs',
    sizeBytes: 304 * MiB,
    make: async (image, tree) => {
      writeFileSync(`${image}.proto`, protoFile(tree));
      await run(['mkfs.xfs', '-q', '-f', '-p', `${image}.proto`, image]);
    },
    check: async (image) => void (await run(['xfs_repair', '-n', '-f', image])),
    extract: async (image, out) => copyFromMount('xfs', image, out),
  },
  {
    name: 'Btrfs',
    blkidType: 'btrfs',
    sizeBytes: 160 * MiB,
    make: async (image, tree) => void (await run(['mkfs.btrfs', '-q', '-f', '--rootdir', tree, image])),
    check: async (image) => void (await run(['btrfs', 'check', '--readonly', '--check-data-csum', image])),
    extract: async (image, out) => void (await run(['btrfs', 'restore', '-i', image, out])),
  },
];

/** Text, random bytes, empty files, deep folders, one file of several MiB. */
export function makeTree(folder: string): void {
  for (let i = 0; i < 40; i++) {
    const path = join(folder, `folder-${i % 4}`, i % 3 === 0 ? 'deep/deeper' : '.');
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, `text-${i}.txt`), `line ${i} of a file\n`.repeat(i * 37));
  }
  writeFileSync(join(folder, 'random.bin'), randomBytesOf('large', 3 * MiB + 123));
  writeFileSync(join(folder, 'empty'), '');
}

/** The same bytes every time. */
export function randomBytesOf(seed: string, bytes: number): Buffer {
  return createHash('shake256', { outputLength: bytes }).update(seed).digest();
}

/** Path and SHA-256 of every file below. */
export function digestTree(folder: string): string[] {
  return listFiles(folder).map((path) => {
    return `${path} ${createHash('sha256')
      .update(readFileSync(join(folder, path)))
      .digest('hex')}`;
  });
}

export function makeEmptyFile(path: string, bytes: number): void {
  writeFileSync(path, '');
  truncateSync(path, bytes);
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** mkfs.xfs(8), -p: what to fill a new filesystem with. */
function protoFile(tree: string): string {
  const lines = ['/dev/null', '0 0', 'd--755 0 0'];
  const addFolder = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        lines.push(`${entry.name} d--755 0 0`);
        addFolder(path);
        lines.push('$');
      } else {
        lines.push(`${entry.name} ---644 0 0 ${path}`);
      }
    }
  };
  addFolder(tree);
  return `${[...lines, '$', '$'].join('\n')}\n`;
}

async function copyFromMount(type: string, image: string, out: string): Promise<void> {
  const mountPoint = `${out}.mount`;
  mkdirSync(mountPoint);
  await run(['mount', '-t', type, '-o', 'loop,ro,norecovery,nouuid', image, mountPoint]);
  try {
    await run(['cp', '-a', `${mountPoint}/.`, out]);
  } finally {
    await run(['umount', mountPoint]);
  }
}
