/** Downloads and unpacks Debian packages into a folder: no root, no mounts, no package script is run (mmdebstrap(1), variant extract). */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { packages, SUITE } from './recipe.ts';

const DOWNLOAD_LIMIT_MS = 10 * 60_000;

/** One package of the unpacked tree. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

/** Fills `folder`, which must not exist. `mirror` is a base URL. */
export async function unpackDebian(folder: string, mirror: string, components: readonly string[]): Promise<void> {
  await run(
    [
      ...['mmdebstrap', '--variant=extract', '--mode=chrootless', '--architectures=amd64', '--quiet'],
      '--skip=cleanup/apt/cache',
      `--include=${packages.join(',')}`,
      ...[SUITE, folder, `deb ${mirror} ${SUITE} ${components.join(' ')}`],
    ],
    { limitMs: DOWNLOAD_LIMIT_MS },
  );
}

/** The mirror that this machine's own apt uses for Debian. Throws BOOT_NO_MIRROR. */
export async function findMirror(aptFolder = '/etc/apt'): Promise<string> {
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
export async function takePackageList(folder: string): Promise<LockedPackage[]> {
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
