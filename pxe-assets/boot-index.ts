/** boot.json: which files a folder of boot assets holds, and what each was made from. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ArchitectureName } from './architecture.ts';
import type { LockedPackage } from './debian-lock.ts';

export const INDEX_NAME = 'boot.json';

/** What was built for one kind of processor. */
export interface BuiltFor {
  /** Hash of everything of ours that decides what is built. */
  readonly recipe: string;
  readonly kernel: string;
  /** Its files, by name. */
  readonly files: readonly string[];
  /** Lines for people; empty: exactly the packages of the lock. */
  readonly lockDifferences: readonly string[];
  readonly firmware: {
    readonly isIncluded: boolean;
    /** Driver → firmware files that it may ask for and that are not in the image. */
    readonly missing: Readonly<Record<string, readonly string[]>>;
  };
  readonly packages: readonly LockedPackage[];
}

export interface BootIndex {
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly builds: Readonly<Partial<Record<ArchitectureName, BuiltFor>>>;
}

/** Empty for a folder without one, or with one of an older form. */
export async function readIndex(folder: string): Promise<BootIndex> {
  try {
    const index = JSON.parse(await readFile(join(folder, INDEX_NAME), 'utf8')) as Partial<BootIndex>;
    return { files: index.files ?? {}, builds: index.builds ?? {} };
  } catch {
    return { files: {}, builds: {} };
  }
}

/** Sizes and digests of all files in a folder. */
export async function sumFiles(folder: string): Promise<Record<string, { bytes: number; sha256: string }>> {
  const sums: Record<string, { bytes: number; sha256: string }> = {};
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    sums[name] = { bytes: (await stat(path)).size, sha256: await sha256Of(path) };
  }
  return sums;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
