/**
 * The exact Debian packages that the boot assets are known to be good with: debian-lock.json, one section a suite and
 * architecture, one package a line. It names no mirror. A build that gets other packages uses them and says so.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileAtomic } from '#system/files.ts';
import { run } from '#system/run.ts';

export const LOCK_PATH = join(import.meta.dirname, 'debian-lock.json');

export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Of the .deb file, in hex. */
  readonly sha256: string;
}

/** `trixie/amd64`, or `trixie/amd64/non-free-firmware` for what that component adds → package → [version, sha256]. */
export type DebianLock = Readonly<Record<string, Readonly<Record<string, readonly [version: string, sha256: string]>>>>;

export interface Difference {
  readonly name: string;
  /** Undefined: not in the lock, or no longer used. */
  readonly locked: string | undefined;
  readonly used: string | undefined;
}

export async function readLock(path = LOCK_PATH): Promise<DebianLock> {
  return JSON.parse(await readFile(path, 'utf8')) as DebianLock;
}

/** Empty when the packages are those of the section, to the byte. */
export function compareWithLock(section: DebianLock[string] | undefined, used: readonly LockedPackage[]): Difference[] {
  const locked = section ?? {};
  const names = [...new Set([...Object.keys(locked), ...used.map(({ name }) => name)])].sort();
  const usedOf = new Map(used.map((one) => [one.name, one]));
  return names.flatMap((name) => {
    const [version, sha256] = locked[name] ?? [];
    const found = usedOf.get(name);
    if (version === found?.version && sha256 === found?.sha256) return [];
    return [{ name, locked: version, used: found?.version }];
  });
}

/** A line for a person. `isNewer` compares two different versions. */
function tellDifference({ name, locked, used }: Difference, isNewer: (a: string, b: string) => boolean): string {
  if (locked === undefined) return `not in the lock: ${name} ${used}`;
  if (used === undefined) return `in the lock, but not used: ${name} ${locked}`;
  if (locked === used) return `other content than the lock says: ${name} ${used}`;
  return `${isNewer(used, locked) ? 'newer' : 'older'} than the lock: ${name} ${used} (lock: ${locked})`;
}

/** Lines for people, versions ordered as Debian orders them (dpkg(1), --compare-versions). */
export async function tellDifferences(differences: readonly Difference[]): Promise<string[]> {
  const newer = new Set<string>();
  for (const { locked, used } of differences) {
    if (locked === undefined || used === undefined) continue;
    const { exitCode } = await run(['dpkg', '--compare-versions', used, 'gt', locked], { okCodes: [0, 1] });
    if (exitCode === 0) newer.add(`${used} ${locked}`);
  }
  return differences.map((one) => tellDifference(one, (a, b) => newer.has(`${a} ${b}`)));
}

/** Puts the packages in the place of the section's. */
export async function writeLockSection(
  name: string,
  packages: readonly LockedPackage[],
  path = LOCK_PATH,
): Promise<void> {
  const lock = await readLock(path).catch(() => ({}));
  const section = Object.fromEntries(
    packages.map(({ name: one, version, sha256 }) => [one, [version, sha256] as const]),
  );
  await writeFileAtomic(path, renderLock({ ...lock, [name]: section }));
}

/** One package a line, sorted, so that a change of the lock reads well as a diff. */
export function renderLock(lock: DebianLock): string {
  const sections = Object.keys(lock).sort();
  const body = sections.map((name) => {
    const lines = Object.entries(lock[name]!)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([one, entry]) => `    ${JSON.stringify(one)}: [${entry.map((text) => JSON.stringify(text)).join(', ')}]`);
    return `  ${JSON.stringify(name)}: {\n${lines.join(',\n')}\n  }`;
  });
  return `{\n${body.join(',\n')}\n}\n`;
}
