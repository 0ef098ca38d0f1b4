/** The first program of a network-booted host and its drivers, as an initramfs. */
import { chmod, copyFile, cp, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { type Entry, makeCpio } from './cpio.ts';
import type { DebianRoot } from './debian-root.ts';
import { copyFirmware, firmwareAsked } from './firmware-files.ts';
import { copyModules } from './module-tree.ts';
import { networkModules, rootModules } from './recipe.ts';

/** 19 takes 14 s more and saves a tenth. */
const COMPRESSION_LEVEL = 12;

/** The initramfs: a zstd-compressed cpio archive. `firmwareFrom`: a root with firmware files, for those that its drivers ask for. */
export async function makeStage1(
  { path: root, release }: DebianRoot,
  workFolder: string,
  firmwareFrom: string | undefined,
): Promise<Buffer> {
  const tree = await mkdtemp(join(workFolder, 'stage1-'));
  await mkdir(join(tree, 'bin'), { recursive: true });
  await copyModules(root, tree, release, [...networkModules, ...rootModules]);
  if (firmwareFrom !== undefined) {
    await copyFirmware(firmwareFrom, tree, await firmwareAsked(tree));
    await rm(join(tree, 'usr/share'), { recursive: true, force: true });
  }
  await cp(join(tree, 'usr/lib'), join(tree, 'lib'), { recursive: true });
  await rm(join(tree, 'usr'), { recursive: true });
  await copyFile(join(root, 'usr/bin/busybox'), join(tree, 'bin/busybox'));
  for (const [name, source] of [
    ['init', 'stage1-init'],
    ['udhcpc-script', 'udhcpc-script'],
  ] as const) {
    await copyFile(join(import.meta.dirname, source), join(tree, name));
    await chmod(join(tree, name), 0o755);
  }
  const archive = makeCpio(await readEntries(tree));
  return zstdCompressSync(archive, { params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL } });
}

async function readEntries(tree: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const path of await readdir(tree, { recursive: true })) {
    const full = join(tree, path);
    const stat = await lstat(full);
    if (stat.isDirectory()) entries.push({ path, kind: 'folder' });
    else if (stat.isSymbolicLink()) entries.push({ path, kind: 'link', target: await readlink(full) });
    else entries.push({ path, kind: 'file', bytes: await readFile(full), isProgram: (stat.mode & 0o100) !== 0 });
  }
  return entries;
}
