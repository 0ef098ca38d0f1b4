/**
 * Builds the boot assets: kernel, stage 1, the agent's squashfs and the boot loaders, into one folder with an index
 * (`boot.json`). Needs no root and mounts nothing. What was built from the same recipe, agent and lock is not built again; the
 * same packages and sources give the same bytes.
 *
 *   bin/node pxe-assets/build.ts --out FOLDER [--arch amd64|arm64] [--cache FOLDER] [--mirror URL] [--non-free-firmware]
 *     [--locked | --update-lock] [--force] [--json]
 */
import { createHash } from 'node:crypto';
import { copyFile, cp, link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { KnownError, knownError } from '#protocol/errors.ts';
import { exitCodeOf } from '#protocol/exit-code.ts';
import { makeFolder } from '#system/folder.ts';
import { fillAgentRoot, packSquashfs } from './agent-root.ts';
import { type Architecture, type ArchitectureName, architectures } from './architecture.ts';
import { type BuiltFor, INDEX_NAME, readIndex, sumFiles } from './boot-index.ts';
import { compareWithLock, readLock, tellDifferences, writeLockSection } from './debian-lock.ts';
import { type DebianRoot, openDebianRoot } from './debian-root.ts';
import { copyFirmware, firmwareAsked } from './firmware-files.ts';
import { agentFolders, bootLoaders, firmwarePackages, packagesFor, SUITE } from './recipe.ts';
import { makeStage1 } from './stage1.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const MAX_TOLD_DIFFERENCES = 10;

export interface BuildOptions {
  readonly out: string;
  /** Default: amd64. */
  readonly architecture?: ArchitectureName;
  /** Keeps unpacked packages between builds. Default: beside `out`. */
  readonly cache?: string;
  readonly mirror: string | undefined;
  readonly nonFreeFirmware: boolean;
  /** `strict`: other packages than the lock's are refused. `update`: what the mirror has is the new lock. Default: use and say. */
  readonly lock?: 'strict' | 'update';
  /** Builds with packages fetched anew, also when all is up to date. */
  readonly force: boolean;
  say(line: string): void;
}

/** Builds unless the folder already holds just this. Gives true when it built. Throws BOOT_LOCK_DIFFERS, BOOT_BUILD_FAILED, PROGRAM_FAILED, FOLDER_UNUSABLE. */
export async function build(options: BuildOptions): Promise<boolean> {
  const { out, say } = options;
  const architecture = architectures[options.architecture ?? 'amd64'];
  const isFresh = options.force || options.lock === 'update';
  const known = (await readIndex(out)).builds[architecture.name];
  if (!isFresh && known?.recipe === (await recipeHash(options.nonFreeFirmware))) {
    if (options.lock === 'strict') refuseDifferences(known.lockDifferences);
    say(`the boot assets in ${out} are up to date`);
    return false;
  }
  const cache = options.cache ?? `${out}-packages`;
  for (const folder of [cache, dirname(out)]) await makeFolder(folder, '[daemon] data_dir', 0o755);
  const debian = await openPackages(architecture, cache, isFresh, options);
  const lockDifferences = await checkLock(architecture, debian, options);
  const work = await mkdtemp(join(tmpdir(), 'fleetcast-boot-'));
  try {
    const made = join(work, 'out');
    await mkdir(made);
    const firmware = await makeFiles(made, work, { debian, architecture, cache, options });
    const built = {
      recipe: await recipeHash(options.nonFreeFirmware),
      kernel: debian.release,
      files: (await readdir(made)).sort(),
      lockDifferences,
      firmware,
      packages: debian.packages,
    };
    await publish(made, out, architecture.name, built);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  say(`the boot assets are in ${out}`);
  return true;
}

async function openPackages(
  architecture: Architecture,
  cache: string,
  isFresh: boolean,
  { nonFreeFirmware, mirror, say }: BuildOptions,
): Promise<DebianRoot> {
  const lock = await readLock();
  const sections = [sectionOf(architecture, false), sectionOf(architecture, true)].map((name) => lock[name] ?? {});
  return openDebianRoot({
    cache,
    architecture,
    components: nonFreeFirmware ? ['main', 'non-free-firmware'] : ['main'],
    packages: [...packagesFor(architecture), ...(nonFreeFirmware ? firmwarePackages : [])],
    mirror,
    stamp: createHash('sha256').update(JSON.stringify(sections)).digest('hex'),
    isFresh,
    say,
  });
}

/** Gives a line for each package that is not as the lock has it. Throws BOOT_LOCK_DIFFERS. */
async function checkLock(architecture: Architecture, debian: DebianRoot, options: BuildOptions): Promise<string[]> {
  const isFirmware = ({ name }: { name: string }) => firmwarePackages.includes(name);
  const parts = [
    { section: sectionOf(architecture, false), packages: debian.packages.filter((one) => !isFirmware(one)) },
    ...(options.nonFreeFirmware
      ? [{ section: sectionOf(architecture, true), packages: debian.packages.filter(isFirmware) }]
      : []),
  ];
  if (options.lock === 'update') {
    for (const { section, packages } of parts) await writeLockSection(section, packages);
    options.say(`the lock names the ${debian.packages.length} packages of this build`);
    return [];
  }
  const lock = await readLock();
  const lines = await tellDifferences(
    parts.flatMap(({ section, packages }) => compareWithLock(lock[section], packages)),
  );
  if (options.lock === 'strict') refuseDifferences(lines);
  for (const line of lines.slice(0, MAX_TOLD_DIFFERENCES)) options.say(line);
  if (lines.length > MAX_TOLD_DIFFERENCES)
    options.say(`and ${lines.length - MAX_TOLD_DIFFERENCES} more; all are in ${INDEX_NAME}`);
  return lines;
}

function refuseDifferences(lines: readonly string[]): void {
  if (lines.length > 0) throw knownError('BOOT_LOCK_DIFFERS', { count: lines.length, first: lines[0]! });
}

function sectionOf({ name }: Architecture, isFirmware: boolean): string {
  return `${SUITE}/${name}${isFirmware ? '/non-free-firmware' : ''}`;
}

interface Parts {
  readonly debian: DebianRoot;
  readonly architecture: Architecture;
  readonly cache: string;
  readonly options: BuildOptions;
}

async function makeFiles(made: string, work: string, parts: Parts): Promise<BuiltFor['firmware']> {
  const { debian, architecture, options } = parts;
  const tree = join(work, 'agent');
  await fillAgentRoot(tree, { debian, architecture, cache: parts.cache, workFolder: work, say: options.say });
  const asked = await firmwareAsked(tree);
  const missing = options.nonFreeFirmware ? await copyFirmware(debian.path, tree, asked) : asked;
  options.say('making stage 1');
  const firmwareFrom = options.nonFreeFirmware ? debian.path : undefined;
  await writeFile(join(made, architecture.stage1), await makeStage1(debian, work, firmwareFrom));
  await copyFile(join(debian.path, 'boot', `vmlinuz-${debian.release}`), join(made, architecture.kernel));
  if (architecture.name === 'amd64') {
    for (const [name, path] of Object.entries(bootLoaders)) await copyFile(join(debian.path, path), join(made, name));
  }
  options.say('making the squashfs of the agent');
  await packSquashfs(tree, join(made, architecture.squashfs));
  return { isIncluded: options.nonFreeFirmware, missing };
}

/** Puts the files in the place of those that this architecture had; the other's stay. The folder changes at one instant. */
async function publish(made: string, out: string, name: ArchitectureName, built: BuiltFor): Promise<void> {
  const old = await readIndex(out);
  const builds = { ...old.builds, [name]: built };
  const sums = await sumFiles(made);
  for (const file of Object.entries(old.builds).flatMap(([other, one]) => (other === name ? [] : one.files))) {
    const sum = old.files[file];
    if (sum === undefined || sums[file] !== undefined) continue;
    await link(join(out, file), join(made, file)).catch(() => copyFile(join(out, file), join(made, file)));
    sums[file] = sum;
  }
  await writeFile(join(made, INDEX_NAME), `${JSON.stringify({ files: sums, builds }, null, 2)}\n`);
  await rm(out, { recursive: true, force: true });
  await rename(made, out).catch(() => cp(made, out, { recursive: true }));
}

/** Hash of everything of ours that decides what is built. */
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

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      arch: { type: 'string', default: 'amd64' },
      cache: { type: 'string' },
      mirror: { type: 'string' },
      'non-free-firmware': { type: 'boolean', default: false },
      locked: { type: 'boolean', default: false },
      'update-lock': { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const { out, arch, cache, mirror, force } = values;
  if (out === undefined) throw new Error('--out FOLDER is missing');
  if (!(arch in architectures)) throw new Error(`--arch is ${Object.keys(architectures).join(' or ')}, not ${arch}`);
  const startedMs = Date.now();
  const built = await build({
    out,
    architecture: arch as ArchitectureName,
    ...(cache === undefined ? {} : { cache }),
    mirror,
    nonFreeFirmware: values['non-free-firmware'],
    ...(values.locked ? { lock: 'strict' } : values['update-lock'] ? { lock: 'update' } : {}),
    force,
    say: (line) => process.stderr.write(`fleetcast boot build: ${line}\n`),
  });
  const seconds = Math.round((Date.now() - startedMs) / 1000);
  const { lockDifferences = [], firmware } = (await readIndex(out)).builds[arch as ArchitectureName] ?? {};
  if (!values.json && firmware !== undefined && !firmware.isIncluded) {
    const drivers = Object.keys(firmware.missing).join(', ');
    process.stderr.write(
      `fleetcast boot build: without firmware files that need a licence; cards of these drivers may want them: ${drivers}\n`,
    );
    process.stderr.write('  Next, if you have such cards: fleetcast boot build --non-free-firmware\n');
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ out, built, seconds, lockDifferences, firmware })}\n`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    const { code, message, next } = error;
    const isJson = process.argv.includes('--json');
    process.stderr.write(
      isJson ? `${JSON.stringify({ error: { code, message, next } })}\n` : `fleetcast: ${message}\n  Next: ${next}\n`,
    );
    process.exitCode = exitCodeOf(error);
  }
}
