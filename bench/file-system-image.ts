/** Filesystems with a real file tree in a plain file, for benches. */
import { closeSync, openSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#system/run.ts';

const MiB = 1024 * 1024;

/**
 * Makes `path` with about `wantedMiB` of this machine's /usr in it, copied to the folder `tree` first. Throws PROGRAM_FAILED.
 */
export async function makeFileSystemImage(path: string, tree: string, wantedMiB: number): Promise<void> {
  await copyTree(tree, wantedMiB);
  closeSync(openSync(path, 'w'));
  truncateSync(path, wantedMiB * 2 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-d', tree, path], { limitMs: 300_000 });
}

/** About `wantedMiB` of this machine's /usr in the folder `tree`. Throws PROGRAM_FAILED. */
export async function copyTree(tree: string, wantedMiB: number): Promise<void> {
  let leftMiB = wantedMiB;
  for (const folder of ['/usr/share', '/usr/lib', '/usr/lib/x86_64-linux-gnu']) {
    const target = join(tree, folder);
    await run(['mkdir', '-p', target]);
    const { stdout } = await run(['du', '-xam', '--max-depth=1', folder], { limitMs: 300_000 });
    for (const line of stdout
      .trim()
      .split('\n')
      .sort((x, y) => (x.split('\t')[1]! < y.split('\t')[1]! ? -1 : 1))) {
      const [size, entry] = line.split('\t');
      if (entry === folder || Number(size) > leftMiB / 2 || leftMiB < wantedMiB / 20) continue;
      leftMiB -= Number(size);
      await run(['cp', '-a', entry!, target], { limitMs: 300_000 });
    }
  }
}

/** Takes a file out of the page cache, so that the next reader goes to the disk. */
export async function forgetPages(path: string): Promise<void> {
  await run(['sync', path]);
  await run(['dd', `of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0']);
}
