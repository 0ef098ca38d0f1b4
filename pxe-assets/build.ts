/**
 * Builds the boot assets: kernel, stage 1, the agent's squashfs and the boot loaders, into one folder with an index
 * (`boot.json`). Needs no root and mounts nothing. What was built from the same recipe, agent and packages is not built again.
 *
 *   bin/node pxe-assets/build.ts --out FOLDER [--mirror URL] [--non-free-firmware] [--force] [--json]
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { KnownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { copyAgent } from './agent-tree.ts';
import { findMirror, takePackageList, unpackDebian } from './debian-root.ts';
import { copyModules, kernelRelease, prepareModules } from './module-tree.ts';
import { copyFiles, copyPrograms, linkBusybox } from './program-tree.ts';
import {
  agentFolders,
  bootLoaders,
  diskModules,
  files,
  networkModules,
  programs,
  rootModules,
  toolModules,
} from './recipe.ts';
import { makeStage1 } from './stage1.ts';
import { busyboxCommands } from './toolbox.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const INDEX = 'boot.json';
const SQUASH_LIMIT_MS = 300_000;

export interface BuildOptions {
  readonly out: string;
  readonly mirror: string | undefined;
  readonly nonFreeFirmware: boolean;
  readonly force: boolean;
  say(line: string): void;
}

/** Builds unless the folder already holds just this. Gives true when it built. */
export async function build(options: BuildOptions): Promise<boolean> {
  const recipe = await recipeHash(options.nonFreeFirmware);
  const index = await readFile(join(options.out, INDEX), 'utf8').catch(() => '');
  if (!options.force && index.includes(`"recipe": "${recipe}"`)) {
    options.say(`the boot assets in ${options.out} are up to date`);
    return false;
  }
  const work = await mkdtemp(join(tmpdir(), 'fleetcast-boot-'));
  try {
    await buildIn(work, recipe, options);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return true;
}

async function buildIn(
  work: string,
  recipe: string,
  { out, mirror, nonFreeFirmware, say }: BuildOptions,
): Promise<void> {
  const root = join(work, 'debian');
  say('downloading and unpacking Debian packages');
  const components = nonFreeFirmware ? ['main', 'non-free-firmware'] : ['main'];
  await unpackDebian(root, mirror ?? (await findMirror()), components);
  const packages = await takePackageList(root);
  const release = await kernelRelease(root);
  say(`preparing the modules of kernel ${release}`);
  await prepareModules(root, release);

  const made = join(work, 'out');
  await mkdir(made);
  say('making stage 1');
  await writeFile(join(made, 'stage1.img'), await makeStage1(root, release, work));
  await copyFile(join(root, 'boot', `vmlinuz-${release}`), join(made, 'vmlinuz'));
  for (const [name, path] of Object.entries(bootLoaders)) await copyFile(join(root, path), join(made, name));

  say('making the squashfs of the agent');
  await makeSquashfs(work, root, release, join(made, 'agent.squashfs'), nonFreeFirmware, say);
  const sums: Record<string, { bytes: number; sha256: string }> = {};
  for (const name of (await readdir(made)).sort()) {
    const path = join(made, name);
    sums[name] = { bytes: (await stat(path)).size, sha256: await sha256Of(path) };
  }
  await writeFile(
    join(made, INDEX),
    `${JSON.stringify({ recipe, kernel: release, files: sums, packages }, null, 2)}\n`,
  );
  await rm(out, { recursive: true, force: true });
  await rename(made, out).catch(() => cp(made, out, { recursive: true }));
  say(`the boot assets are in ${out}`);
}

async function makeSquashfs(
  work: string,
  root: string,
  release: string,
  path: string,
  firmware: boolean,
  say: (line: string) => void,
): Promise<void> {
  const tree = join(work, 'agent');
  for (const folder of [
    'usr/bin',
    'usr/sbin',
    'usr/lib/x86_64-linux-gnu',
    'usr/lib64',
    'etc',
    'root',
    'var/lib',
    'mnt',
  ]) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  for (const folder of ['proc', 'sys', 'dev', 'run', 'tmp']) await mkdir(join(tree, folder));
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(tree, name));
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(tree, 'etc/mtab'), '');
  await copyFiles(root, tree, files);
  await copyPrograms(root, tree, programs, await copyAgent(tree));
  await linkBusybox(tree, busyboxCommands);
  await mkdir(join(tree, 'etc/lvm'));
  await copyFile(join(import.meta.dirname, 'lvm.conf'), join(tree, 'etc/lvm/lvm.conf'));
  const modules = [...networkModules, ...rootModules, ...diskModules, ...toolModules];
  const unknown = await copyModules(root, tree, release, modules);
  if (unknown.length > 0) say(`kernel ${release} has no ${unknown.join(', ')}`);
  if (firmware) await cp(join(root, 'usr/lib/firmware'), join(tree, 'usr/lib/firmware'), { recursive: true });
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
      ...['-all-root', '-mkfs-time', '0', '-all-time', '0', '-reproducible', '-no-xattrs', '-quiet'],
    ],
    { limitMs: SQUASH_LIMIT_MS },
  );
}

/** Hash of everything that decides what is built, but for the versions of the packages. */
async function recipeHash(nonFreeFirmware: boolean): Promise<string> {
  const hash = createHash('sha256').update(nonFreeFirmware ? 'firmware' : 'free');
  for (const folder of [...agentFolders, 'pxe-assets']) {
    for (const name of (await readdir(join(REPOSITORY, folder), { recursive: true })).sort()) {
      const path = join(REPOSITORY, folder, name);
      if ((await stat(path)).isFile()) hash.update(`${folder}/${name}\0`).update(await readFile(path));
    }
  }
  hash.update(await readFile(join(REPOSITORY, 'package-lock.json')));
  return hash.digest('hex');
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      mirror: { type: 'string' },
      'non-free-firmware': { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.out === undefined) throw new Error('--out FOLDER is missing');
  const startedMs = Date.now();
  const say = (line: string) => process.stderr.write(`fleetcast boot build: ${line}\n`);
  const built = await build({
    out: values.out,
    mirror: values.mirror,
    nonFreeFirmware: values['non-free-firmware'],
    force: values.force,
    say,
  });
  const seconds = Math.round((Date.now() - startedMs) / 1000);
  if (values.json) process.stdout.write(`${JSON.stringify({ out: values.out, built, seconds })}\n`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    process.stderr.write(`fleetcast: ${error.message}\n  Next: ${error.next}\n`);
    process.exitCode = 1;
  }
}
