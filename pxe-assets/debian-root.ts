/** Downloads and unpacks Debian packages into a folder: no root, no mounts, no package script is run (mmdebstrap(1), variant extract). */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KnownError, knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import type { Architecture } from './architecture.ts';
import type { LockedPackage } from './debian-lock.ts';
import { kernelRelease, prepareModules } from './module-tree.ts';
import { SUITE } from './recipe.ts';

const DOWNLOAD_LIMIT_MS = 10 * 60_000;

export interface DebianRootOptions {
  /** Folder that keeps unpacked roots between builds. */
  readonly cache: string;
  readonly architecture: Architecture;
  readonly components: readonly string[];
  readonly packages: readonly string[];
  /** Base URL. Default: the mirror that apt uses here. */
  readonly mirror: string | undefined;
  /** What else decides which root is the right one: the lock. */
  readonly stamp: string;
  /** Fetch anew what the cache has. */
  readonly isFresh: boolean;
  say(line: string): void;
}

export interface DebianRoot {
  readonly path: string;
  readonly release: string;
  readonly packages: readonly LockedPackage[];
}

/**
 * The unpacked packages, kernel modules decompressed and indexed: from the cache, or downloaded into it. Nothing may be written
 * into the root that it gives. Throws BOOT_NO_MIRROR, BOOT_BUILD_FAILED.
 */
export async function openDebianRoot(options: DebianRootOptions): Promise<DebianRoot> {
  const { cache, architecture, components, packages, stamp, say } = options;
  const wanted = [SUITE, architecture.name, ...components, ...packages, stamp].join(' ');
  const kept = join(
    cache,
    `debian-${architecture.name}-${createHash('sha256').update(wanted).digest('hex').slice(0, 16)}`,
  );
  if (!options.isFresh && existsSync(join(kept, LIST))) say('using the Debian packages of the last build');
  else await fillCache(kept, options);
  await utimes(kept, new Date(), new Date());
  await dropOldRoots(cache);
  const path = join(kept, 'root');
  const list = JSON.parse(await readFile(join(kept, LIST), 'utf8')) as LockedPackage[];
  return { path, release: await kernelRelease(path), packages: list };
}

/** Written last: a root without it is not whole. */
const LIST = 'packages.json';
const KEPT_ROOTS = 4;

async function fillCache(kept: string, options: DebianRootOptions): Promise<void> {
  const work = await mkdtemp(join(options.cache, 'unpacking-'));
  try {
    const root = join(work, 'root');
    options.say('downloading and unpacking Debian packages');
    await unpackDebian(root, options);
    const packages = await takePackageList(root);
    await keepLicences(root);
    for (const path of UNUSED) await rm(join(root, path), { recursive: true, force: true });
    const release = await kernelRelease(root);
    options.say(`preparing the modules of kernel ${release}`);
    await prepareModules(root, release);
    await writeFile(join(work, LIST), JSON.stringify(packages));
    if (options.isFresh) await rm(kept, { recursive: true, force: true });
    // Another build may have been quicker.
    await rename(work, kept).catch((error: unknown) => {
      if (!existsSync(join(kept, LIST))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Firmware may be passed on only with its licence: that stays, of all the documents. */
async function keepLicences(root: string): Promise<void> {
  const documents = join(root, 'usr/share/doc');
  const names = (await readdir(documents)).filter((name) => name.startsWith('firmware-'));
  for (const name of names) await cp(join(documents, name), join(root, LICENCES, name), { recursive: true });
}
export const LICENCES = 'licences';

/** Big, and never part of an image. */
const UNUSED = ['usr/share', 'usr/lib/python3', 'usr/lib/python3.13', 'usr/lib/systemd', 'var/lib/apt'];

async function dropOldRoots(cache: string): Promise<void> {
  const names = (await readdir(cache)).filter((name) => name.startsWith('debian-'));
  const aged = await Promise.all(
    names.map(async (name) => ({ name, usedMs: (await stat(join(cache, name))).mtimeMs })),
  );
  for (const { name } of aged.sort((a, b) => b.usedMs - a.usedMs).slice(KEPT_ROOTS)) {
    await rm(join(cache, name), { recursive: true, force: true });
  }
}

type PackageChoice = Pick<DebianRootOptions, 'architecture' | 'components' | 'packages' | 'mirror'>;

/**
 * Installs packages and what they depend on into a new folder, as on a machine: their scripts run, by chroot, so it needs root. Without documents,
 * manuals and translations. Throws BOOT_NO_MIRROR, BOOT_BUILD_FAILED.
 */
export async function installDebian(folder: string, choice: PackageChoice): Promise<void> {
  const left = ['doc', 'man', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  await fetchDebian(folder, choice, ['--variant=minbase', '--mode=root', ...left]);
}

async function unpackDebian(folder: string, choice: PackageChoice): Promise<void> {
  await fetchDebian(folder, choice, ['--variant=extract', '--mode=chrootless', '--skip=cleanup/apt/cache']);
}

async function fetchDebian(folder: string, choice: PackageChoice, how: readonly string[]): Promise<void> {
  const { architecture, components, packages } = choice;
  const mirror = choice.mirror ?? (await findMirror());
  const argv = [
    ...['mmdebstrap', ...how, `--architectures=${architecture.name}`, '--quiet'],
    `--include=${packages.join(',')}`,
    ...[SUITE, folder, `deb ${mirror} ${SUITE} ${components.join(' ')}`],
  ];
  try {
    await run(argv, { limitMs: DOWNLOAD_LIMIT_MS });
  } catch (cause) {
    if (!(cause instanceof KnownError && cause.code === 'PROGRAM_FAILED')) throw cause;
    const what = `${SUITE} for ${architecture.name}, ${components.join(' and ')}`;
    throw knownError('BOOT_BUILD_FAILED', { problem: `${mirror} does not give all packages of ${what}` }, { cause });
  }
}

/** The mirror that this machine's own apt uses for Debian. Throws BOOT_NO_MIRROR. */
async function findMirror(aptFolder = '/etc/apt'): Promise<string> {
  const lists = await readdir(join(aptFolder, 'sources.list.d')).catch(() => []);
  const paths = [
    join(aptFolder, 'sources.list'),
    ...lists.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(aptFolder, 'sources.list.d', name)),
  ];
  for (const path of paths) {
    const mirror = mirrorIn(await readFile(path, 'utf8').catch(() => ''));
    if (mirror !== undefined) return mirror;
  }
  throw knownError('BOOT_NO_MIRROR', { folder: aptFolder });
}

/** First base URL that ends in /debian, in either format of sources.list(5). */
export function mirrorIn(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const words = line.replace(/#.*/, '').trim().split(/\s+/);
    if (words[0] !== 'deb' && words[0] !== 'URIs:') continue;
    const mirror = words.find((word) => /^https?:\/\/.+\/debian\/?$/.test(word));
    if (mirror !== undefined) return mirror;
  }
  return undefined;
}

/** What was unpacked, sorted by name; the packages themselves are removed. */
async function takePackageList(folder: string): Promise<LockedPackage[]> {
  const archives = join(folder, 'var/cache/apt/archives');
  const names = (await readdir(archives)).filter((name) => name.endsWith('.deb')).sort();
  const list: LockedPackage[] = [];
  for (const file of names) {
    const [name = '', version = ''] = file.split('_');
    const sha256 = createHash('sha256')
      .update(await readFile(join(archives, file)))
      .digest('hex');
    list.push({ name, version: decodeURIComponent(version), sha256 });
  }
  await rm(archives, { recursive: true });
  return list;
}
