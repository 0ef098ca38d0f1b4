/**
 * The agent as few files: its modules and npm packages bundled by esbuild, one file for the program and one for each of its
 * worker threads. 290 small files cost 0.22 s and 107 MB at every start, the bundle 0.08 s and 89 MB; under emulation ten times the
 * seconds, and a worker saves as the program does.
 */
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { AGENT_MAIN, writeAgentProgram } from './agent-program.ts';
import { findNpmPackage } from './npm-part.ts';
import { nativePackages } from './recipe.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const BUNDLE_LIMIT_MS = 120_000;
/** CommonJS packages ask for Node's own modules by require, which an ES module has not. */
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";
/** How the agent names the file of a worker thread. */
const WORKER = /new URL\('\.\/([\w-]+)\.js', import\.meta\.url\)/g;

/** Writes the bundle below `folder`, AGENT_MAIN among it. Throws PROGRAM_FAILED, BOOT_BUILD_FAILED. */
export async function bundleAgent(folder: string, cache: string, workFolder: string): Promise<void> {
  const program = await mkdtemp(join(workFolder, 'agent-program-'));
  try {
    await writeAgentProgram(program);
    await symlink(join(REPOSITORY, 'node_modules'), join(program, 'node_modules'));
    const esbuild = join(await findEsbuild(cache), 'bin/esbuild');
    const entries = [AGENT_MAIN, ...(await findWorkers(program))];
    await run([esbuild, ...bundleArguments(entries, join(folder, 'client-agent'))], {
      cwd: program,
      limitMs: BUNDLE_LIMIT_MS,
    });
  } finally {
    await rm(program, { recursive: true });
  }
}

/** argv behind the program. Paths in what it writes are those below the working directory: symbolic links are not followed. */
export function bundleArguments(entries: readonly string[], outFolder: string): string[] {
  return [
    ...entries,
    ...['--bundle', '--platform=node', '--format=esm', '--target=node26', '--preserve-symlinks', '--log-level=warning'],
    ...['--entry-names=[name]', `--outdir=${outFolder}`, `--banner:js=${REQUIRE}`],
    ...nativePackages.map((name) => `--external:${name}`),
  ];
}

async function findWorkers(program: string): Promise<string[]> {
  const workers: string[] = [];
  for (const name of (await readdir(join(program, 'client-agent'), { recursive: true })).sort()) {
    if (!name.endsWith('.js')) continue;
    const path = join('client-agent', name);
    for (const match of (await readFile(join(program, path), 'utf8')).matchAll(WORKER)) {
      workers.push(join(path, '..', `${match[1]}.js`));
    }
  }
  return workers;
}

/** Its folder; fetched into `cache` when it is not installed. Throws BOOT_BUILD_FAILED. */
export async function findEsbuild(cache: string): Promise<string> {
  const name = `@esbuild/linux-${process.arch}`;
  const { optionalDependencies } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const version = optionalDependencies[name];
  if (version === undefined)
    throw knownError('BOOT_BUILD_FAILED', { problem: `there is no esbuild for ${process.arch}` });
  return findNpmPackage(name, version, cache);
}
