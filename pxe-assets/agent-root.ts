/** The root of the agent's squashfs: programs, kernel modules, the agent itself, as a folder and then as one file. */
import { chmod, copyFile, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '#system/run.ts';
import { copyAgent } from './agent-tree.ts';
import type { Architecture } from './architecture.ts';
import type { DebianRoot } from './debian-root.ts';
import { copyModules } from './module-tree.ts';
import { copyFiles, copyPrograms, linkBusybox } from './program-tree.ts';
import { diskModules, filesFor, networkModules, programsFor, rootModules, toolModulesFor } from './recipe.ts';
import { busyboxCommands } from './toolbox.ts';

const SQUASH_LIMIT_MS = 300_000;

export interface AgentRootOptions {
  readonly debian: DebianRoot;
  readonly architecture: Architecture;
  /** Folder that keeps fetched npm packages. */
  readonly cache: string;
  readonly workFolder: string;
  say(line: string): void;
}

/** Fills `tree`, which must not exist. Throws BOOT_BUILD_FAILED when the packages do not bring what the recipe names. */
export async function fillAgentRoot(tree: string, options: AgentRootOptions): Promise<void> {
  const { debian, architecture, say } = options;
  const folders = [
    'usr/bin',
    'usr/sbin',
    `usr/lib/${architecture.triplet}`,
    'usr/lib64',
    'etc/lvm',
    'root',
    'var/lib',
    'mnt',
  ];
  for (const folder of [...folders, 'proc', 'sys', 'dev', 'run', 'tmp']) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(tree, name));
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(tree, 'etc/mtab'), '');
  await copyFile(join(import.meta.dirname, 'lvm.conf'), join(tree, 'etc/lvm/lvm.conf'));
  await copyFile(join(import.meta.dirname, 'mtools.conf'), join(tree, 'etc/mtools.conf'));
  await copyFiles(debian.path, tree, filesFor(architecture));
  await copyPrograms(debian.path, tree, programsFor(architecture), await copyAgent(tree, architecture, options));
  await linkBusybox(tree, busyboxCommands);
  const modules = [...networkModules, ...rootModules, ...diskModules, ...toolModulesFor(architecture)];
  const unknown = await copyModules(debian.path, tree, debian.release, modules);
  if (unknown.length > 0) say(`kernel ${debian.release} has no ${unknown.join(', ')}`);
}

/** Packs a folder. The same content gives the same bytes: order, owners and times are fixed (mksquashfs(1), -reproducible). */
export async function packSquashfs(tree: string, path: string): Promise<void> {
  await setModes(tree);
  await run(
    [
      ...[
        'mksquashfs',
        tree,
        path,
        '-comp',
        'zstd',
        '-Xcompression-level',
        '9',
        '-b',
        '256K',
        '-noappend',
        '-no-progress',
      ],
      ...['-all-root', '-mkfs-time', '0', '-all-time', '0', '-reproducible', '-no-xattrs', '-no-exports', '-quiet'],
    ],
    { limitMs: SQUASH_LIMIT_MS },
  );
}

/** As if made with umask 022, whatever it was; nobody but root is in the agent. */
async function setModes(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await setModes(path);
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}
