/** Copies programs and every shared library that they need from an unpacked Debian root into the agent's root. */
import { copyFile, cp, lstat, mkdir, readdir, readFile, readlink, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { knownError } from '#protocol/errors.ts';
import { architectures } from './architecture.ts';
import { readElfNeeds } from './elf.ts';

const PROGRAM_FOLDERS = ['usr/bin', 'usr/sbin'];
const LIBRARY_FOLDERS = [
  'usr/lib',
  'usr/lib64',
  ...Object.values(architectures).map(({ triplet }) => `usr/lib/${triplet}`),
];
/** Loaded by name at run time, so no ELF header tells of them. */
const LOADED_AT_RUN_TIME = ['libgcc_s.so.1'];

/**
 * Copies the programs of these names, and the libraries of `foreign` programs (full paths) that come from elsewhere.
 * Throws BOOT_BUILD_FAILED when a program or a library is not in the packages.
 */
export async function copyPrograms(
  from: string,
  to: string,
  names: readonly string[],
  foreign: readonly string[],
): Promise<void> {
  const waiting: string[] = [];
  for (const name of names) waiting.push(...(await findPrograms(from, name)));
  for (const path of foreign) {
    for (const library of readElfNeeds(await readFile(path))?.libraries ?? []) {
      waiting.push(await findLibrary(from, library));
    }
  }
  const done = new Set<string>();
  for (const library of LOADED_AT_RUN_TIME) waiting.push(await findLibrary(from, library));
  while (waiting.length > 0) {
    const path = waiting.pop()!;
    if (done.has(path)) continue;
    done.add(path);
    const needs = readElfNeeds(await copyWithLinks(from, to, path));
    for (const library of needs?.libraries ?? []) waiting.push(await findLibrary(from, library));
    if (needs?.interpreter !== undefined) waiting.push(join('usr', needs.interpreter));
  }
}

/** Copies files, and folders with all that is in them. Throws BOOT_BUILD_FAILED when one is not in the packages. */
export async function copyFiles(from: string, to: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if ((await lstat(join(from, path)).catch(() => undefined)) === undefined) {
      throw knownError('BOOT_BUILD_FAILED', { problem: `no package brings ${path}` });
    }
    await mkdir(dirname(join(to, path)), { recursive: true });
    await cp(join(from, path), join(to, path), { recursive: true, verbatimSymlinks: true });
  }
}

/** Links to busybox for these commands, where no program of that name is there. */
export async function linkBusybox(to: string, commands: readonly string[]): Promise<void> {
  const present = new Set((await Promise.all(PROGRAM_FOLDERS.map((folder) => readdir(join(to, folder))))).flat());
  for (const command of commands) {
    if (!present.has(command)) await symlink('busybox', join(to, 'usr/bin', command));
  }
}

/** A path is taken as it is; a name is looked for. */
async function findPrograms(root: string, pattern: string): Promise<string[]> {
  if (pattern.includes('/')) return [pattern];
  const found: string[] = [];
  for (const folder of PROGRAM_FOLDERS) {
    const names = await readdir(join(root, folder)).catch(() => []);
    for (const name of names) {
      const fits = pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
      if (fits) found.push(join(folder, name));
    }
  }
  if (found.length === 0)
    throw knownError('BOOT_BUILD_FAILED', { problem: `no package brings the program ${pattern}` });
  return found.sort();
}

async function findLibrary(root: string, name: string): Promise<string> {
  for (const folder of LIBRARY_FOLDERS) {
    const path = join(folder, name);
    if (await lstat(join(root, path)).catch(() => undefined)) return path;
  }
  throw knownError('BOOT_BUILD_FAILED', { problem: `no package brings the library ${name}` });
}

/** Copies a file under its own name; a link is kept, and its target copied too. Gives the content. */
async function copyWithLinks(from: string, to: string, path: string): Promise<Buffer> {
  const source = join(from, path);
  await mkdir(dirname(join(to, path)), { recursive: true });
  if ((await lstat(source)).isSymbolicLink()) {
    const target = relative(from, await resolveIn(from, source));
    await symlink(relative(dirname(path), target), join(to, path)).catch(ignoreExisting);
    return copyWithLinks(from, to, target);
  }
  await copyFile(source, join(to, path));
  return readFile(source);
}

/** Follows links as they would be inside `root`. */
async function resolveIn(root: string, path: string): Promise<string> {
  const target = await readlink(path);
  const next = target.startsWith('/') ? join(root, target) : join(dirname(path), target);
  return (await lstat(next)).isSymbolicLink() ? resolveIn(root, next) : next;
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
