/** Copies the agent, its npm packages and its Node into the agent's root. */
import { copyFile, cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { KnownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { bundleAgent } from './agent-bundle.ts';
import type { Architecture } from './architecture.ts';
import { findNpmPackage } from './npm-part.ts';
import { nativePackages } from './recipe.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const AGENT_FOLDER = 'usr/lib/fleetcast';

/** Gives the paths of what it copied that wants shared libraries: Node and the packages' native parts. */
export async function copyAgent(
  root: string,
  architecture: Architecture,
  { cache, workFolder, say }: { readonly cache: string; readonly workFolder: string; say(line: string): void },
): Promise<string[]> {
  const target = join(root, AGENT_FOLDER);
  await mkdir(target, { recursive: true });
  await bundleAgent(target, cache, workFolder);
  await copyFile(join(REPOSITORY, 'package.json'), join(target, 'package.json'));
  for (const [name, version] of await withDependencies(nativePackages, architecture.prebuiltSuffix)) {
    await cp(await findNpmPackage(name, version, cache), join(target, 'node_modules', name), {
      recursive: true,
      filter: (path) => !/\.(map|md|markdown|d\.ts|d\.mts|d\.cts)$/.test(path),
    });
  }
  await copyFile(join(import.meta.dirname, 'agent-init'), join(target, 'agent-init'));
  const node = join(root, 'usr/bin/node');
  const { nodePackage } = architecture;
  const nodeVersion = (await readManifest('.', '..'))?.optionalDependencies?.[nodePackage] ?? '';
  await copyFile(join(await findNpmPackage(nodePackage, nodeVersion, cache), 'bin/node'), node);
  await stripProgram(node, architecture, say);
  const names = await readdir(target, { recursive: true });
  return [node, ...names.filter((name) => name.endsWith('.node')).map((name) => join(target, name))];
}

/** Takes a fifth off Node; needs binutils that know the processor. */
async function stripProgram(path: string, { stripProgram: program }: Architecture, say: (line: string) => void) {
  try {
    await run([program, path]);
  } catch (error) {
    if (!(error instanceof KnownError && error.code === 'PROGRAM_MISSING')) throw error;
    say(`${basename(path)} stays as big as it is: there is no ${program} here`);
  }
}

/** The packages, what they depend on, and the prebuilt parts whose names end in `prebuiltSuffix`; with their versions. */
async function withDependencies(names: readonly string[], prebuiltSuffix: string): Promise<[string, string][]> {
  const found = new Map<string, string>();
  const waiting = [...names];
  while (waiting.length > 0) {
    const name = waiting.pop()!;
    if (found.has(name)) continue;
    const manifest = await readManifest(name);
    if (manifest === undefined) continue;
    found.set(name, manifest.version);
    waiting.push(...Object.keys(manifest.dependencies ?? {}));
    for (const [prebuilt, version] of Object.entries(manifest.optionalDependencies ?? {})) {
      // Not installed here when it is for another processor; it has no dependencies.
      if (prebuilt.endsWith(prebuiltSuffix)) found.set(prebuilt, version);
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

interface PackageManifest {
  readonly version: string;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

async function readManifest(name: string, folder = '../node_modules'): Promise<PackageManifest | undefined> {
  try {
    const text = await readFile(join(import.meta.dirname, folder, name, 'package.json'), 'utf8');
    return JSON.parse(text) as PackageManifest;
  } catch {
    return undefined;
  }
}
