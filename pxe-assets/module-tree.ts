/** Kernel modules of an unpacked Debian root: which ones a driver needs, and a folder with just those for modprobe to read. */
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { run } from '#system/run.ts';

/** The kernel release of the root, as `6.12.1-amd64`. */
export async function kernelRelease(root: string): Promise<string> {
  const [release] = await readdir(join(root, 'usr/lib/modules'));
  if (release === undefined) throw new Error(`no kernel in ${root}`);
  return release;
}

/** Unpacks every module (a signature behind it stays) and makes modprobe's index. */
export async function prepareModules(root: string, release: string): Promise<void> {
  const folder = join(root, 'usr/lib/modules', release);
  const packed = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ko.xz'));
  for (let i = 0; i < packed.length; i += 500) {
    await run(['xz', '--decompress', '--threads=2', ...packed.slice(i, i + 500)], { cwd: folder, limitMs: 120_000 });
  }
  await indexModules(root, release);
}

/**
 * Copies these drivers and what they need from one root to another. A driver that this kernel has built in is left out.
 * Gives the names of those that this kernel does not know.
 */
export async function copyModules(
  from: string,
  to: string,
  release: string,
  names: readonly string[],
): Promise<string[]> {
  const { stdout, stderr } = await run(
    ['modprobe', '--dirname', join(from, 'usr'), '--set-version', release, '--show-depends', '--all', ...names],
    { okCodes: [0, 1] },
  );
  const wanted = new Set([...stdout.matchAll(/^insmod (\S+)/gm)].map((match) => match[1]!));
  const unknown = [...stderr.matchAll(/Module (\S+) not found/g)].map((match) => match[1]!);
  const folder = join('usr/lib/modules', release);
  for (const path of [...wanted].sort()) {
    const target = join(to, relative(from, path));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(path, target);
  }
  await mkdir(join(to, folder), { recursive: true });
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    await copyFile(join(from, folder, name), join(to, folder, name));
  }
  await indexModules(to, release);
  // Only for depmod: kilobytes of text that modprobe does not read.
  for (const name of ['modules.builtin.modinfo', 'modules.order']) {
    await rm(join(to, folder, name));
  }
  return unknown;
}

async function indexModules(root: string, release: string): Promise<void> {
  await run(['depmod', '--basedir', join(root, 'usr'), release], { limitMs: 60_000 });
}
