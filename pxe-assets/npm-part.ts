/** An npm package that is not installed here because it is for another processor: fetched by npm, checked with package-lock.json. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const FETCH_LIMIT_MS = 300_000;

/** Folder of the package: in node_modules, or in `cache`, fetched first when it is not there. Throws PROGRAM_FAILED, BOOT_BUILD_FAILED. */
export async function findNpmPackage(name: string, version: string, cache: string): Promise<string> {
  const installed = join(REPOSITORY, 'node_modules', name);
  if (existsSync(installed)) return installed;
  const kept = join(cache, `npm-${name.replaceAll('/', '-')}-${version}`);
  if (existsSync(kept)) return join(kept, 'package');
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'unpacking-'));
  try {
    const argv = ['npm', 'pack', '--json', '--pack-destination', work, `${name}@${version}`];
    const { stdout } = await run(argv, { limitMs: FETCH_LIMIT_MS, cwd: work });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    await checkIntegrity(name, join(work, filename));
    await run(['tar', '-xzf', filename], { cwd: work });
    await rm(join(work, filename));
    await rename(work, kept);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return join(kept, 'package');
}

/** What package-lock.json does not know is taken as npm gives it. */
async function checkIntegrity(name: string, path: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string } | undefined>;
  };
  const wanted = lock.packages[`node_modules/${name}`]?.integrity;
  const found = `sha512-${createHash('sha512')
    .update(await readFile(path))
    .digest('base64')}`;
  if (wanted !== undefined && wanted !== found) {
    throw knownError('BOOT_BUILD_FAILED', { problem: `npm gives another ${name} than package-lock.json names` });
  }
}
