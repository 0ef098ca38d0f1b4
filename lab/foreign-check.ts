/**
 * Checks a deployed disk without a line of the code that deployed it: sfdisk, sgdisk, blkid, e2fsck, debugfs, fsck.fat, mtools and
 * b3sum say what is on a disk; the target must say the same as the golden disk. Needs no root, no mount, no loop device.
 */
import { closeSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#system/run.ts';

const BOOT_CODE_BYTES = 440;
const LIMIT_MS = 300_000;

/** What foreign programs say about a disk; two disks with equal facts hold the same. */
export interface DiskFacts {
  readonly diskBytes: number;
  /** `sfdisk --dump` without the name of the file. */
  readonly table: string;
  /** What sgdisk finds wrong with either copy of the table (sfdisk is content with one of them); empty when both are right. */
  readonly tableDamage: string;
  /** First 440 bytes, in hex. */
  readonly bootCode: string;
  readonly partitions: readonly PartitionFacts[];
}

export interface PartitionFacts {
  readonly number: number;
  /** Type, UUID, label … as blkid prints them. */
  readonly identity: string;
  /** One sorted line for each file, folder and link: kind, mode, owner, size, times, target and the hash of its content. */
  readonly tree: readonly string[];
  /** What the filesystem's own checker found wrong; empty when it is clean. */
  readonly damage: string;
}

export interface CheckResult {
  readonly path: string;
  /** Empty: the disk is right. */
  readonly problems: readonly string[];
  readonly files: number;
}

/** Throws PROGRAM_MISSING, PROGRAM_FAILED when the disk cannot even be looked at. `workDir` is made and removed. */
export async function readDiskFacts(path: string, workDir: string, signal?: AbortSignal): Promise<DiskFacts> {
  mkdirSync(workDir, { recursive: true });
  try {
    const bounded = { limitMs: LIMIT_MS, ...(signal ? { signal } : {}) };
    const dump = (await run(['sfdisk', '--dump', path], bounded)).stdout;
    const { partitiontable } = JSON.parse((await run(['sfdisk', '--json', path], bounded)).stdout) as SfdiskJson;
    const partitions: PartitionFacts[] = [];
    for (const [index, { start, size }] of partitiontable.partitions.entries()) {
      const span = { offset: start * partitiontable.sectorsize, size: size * partitiontable.sectorsize };
      partitions.push(await readPartition(path, index + 1, span, join(workDir, `${index + 1}`), bounded));
    }
    return {
      diskBytes: statSync(path).size,
      table: dump.replaceAll(path, 'DISK'),
      tableDamage: partitiontable.label === 'gpt' ? await verifyGpt(path, bounded) : '',
      bootCode: readBytes(path, 0, BOOT_CODE_BYTES).toString('hex'),
      partitions,
    };
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

/** Every way in which `target` is not what `golden` is; empty when it is the same and sound. */
export function compareDisks(golden: DiskFacts, target: DiskFacts): string[] {
  const problems: string[] = [];
  const isSameSize = golden.diskBytes === target.diskBytes;
  // On a larger disk the last usable sector is a later one; all else must be equal.
  const tableOf = (facts: DiskFacts) => (isSameSize ? facts.table : facts.table.replace(/^last-lba:.*\n/m, ''));
  if (tableOf(golden) !== tableOf(target))
    problems.push(`partition table: ${firstDifference(tableOf(golden).split('\n'), tableOf(target).split('\n'))}`);
  if (target.tableDamage !== '') problems.push(`partition table: sgdisk: ${target.tableDamage}`);
  if (golden.bootCode !== target.bootCode) problems.push('boot code differs');
  for (const [index, expected] of golden.partitions.entries()) {
    const found = target.partitions[index];
    const where = `partition ${expected.number}`;
    if (found === undefined) {
      problems.push(`${where} is missing`);
      continue;
    }
    if (found.damage !== '') problems.push(`${where}: ${found.damage}`);
    if (found.identity !== expected.identity) {
      problems.push(`${where}: ${firstDifference(expected.identity.split('\n'), found.identity.split('\n'))}`);
    }
    const difference = firstDifference(expected.tree, found.tree);
    if (difference !== undefined) problems.push(`${where}: ${difference}`);
  }
  return problems;
}

/** Checks many disks against one, `parallel` at a time. Answers in the order of `targets`. */
export async function checkDisks(
  golden: DiskFacts,
  targets: readonly string[],
  options: { workDir: string; parallel?: number; signal?: AbortSignal; onChecked?(result: CheckResult): void },
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const queue = targets.entries();
  const work = async () => {
    for (const [index, path] of queue) {
      const result = await checkDisk(golden, path, join(options.workDir, `check-${index}`), options.signal);
      results[index] = result;
      options.onChecked?.(result);
    }
  };
  await Promise.all(Array.from({ length: options.parallel ?? 2 }, work));
  return results;
}

async function checkDisk(golden: DiskFacts, path: string, workDir: string, signal?: AbortSignal): Promise<CheckResult> {
  try {
    const facts = await readDiskFacts(path, workDir, signal);
    const files = facts.partitions.reduce((sum, partition) => sum + partition.tree.length, 0);
    return { path, problems: compareDisks(golden, facts), files };
  } catch (error) {
    signal?.throwIfAborted();
    return { path, problems: [(error as Error).message], files: 0 };
  }
}

interface SfdiskJson {
  readonly partitiontable: { label: string; sectorsize: number; partitions: { start: number; size: number }[] };
}

interface Bounds {
  readonly limitMs: number;
  readonly signal?: AbortSignal;
}

async function verifyGpt(path: string, bounds: Bounds): Promise<string> {
  const { stdout, stderr } = await run(['sgdisk', '--verify', path], { ...bounds, okCodes: [0, 2, 3] });
  if (stderr.trim() === '' && stdout.includes('No problems found')) return '';
  return `${stderr} ${stdout}`.replace(/\s+/g, ' ').trim().slice(0, 200);
}

async function readPartition(
  path: string,
  number: number,
  span: { offset: number; size: number },
  workDir: string,
  bounds: Bounds,
): Promise<PartitionFacts> {
  mkdirSync(workDir, { recursive: true });
  const probe = [
    'blkid',
    '--probe',
    '--offset',
    String(span.offset),
    '--size',
    String(span.size),
    '--output',
    'export',
  ];
  // Exit code 2: nothing known was found.
  const { stdout } = await run([...probe, path], { ...bounds, okCodes: [0, 2] });
  const identity = stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('DEVNAME='))
    .sort();
  const kind = identity.find((line) => line.startsWith('TYPE='))?.slice('TYPE='.length);
  const base = { number, identity: identity.join('\n') };
  if (kind?.startsWith('ext')) return { ...base, ...(await readExt(`${path}?offset=${span.offset}`, workDir, bounds)) };
  if (kind === 'vfat') return { ...base, ...(await readFat(path, span, workDir, bounds)) };
  return { ...base, tree: [], damage: '' };
}

async function readExt(device: string, workDir: string, bounds: Bounds): Promise<{ tree: string[]; damage: string }> {
  const check = await run(['e2fsck', '-f', '-n', device], { ...bounds, okCodes: [0, 1, 2, 4, 8, 12] });
  if (check.exitCode !== 0) return { tree: [], damage: `e2fsck: ${lastLine(check.stdout)}` };
  const tree = join(workDir, 'tree');
  mkdirSync(tree);
  // debugfs has no exit code: what it could not read it says on stderr, after a line with its version.
  const dumped = await run(['debugfs', '-R', `rdump / ${tree}`, device], bounds);
  const complaints = dumped.stderr.split('\n').slice(1).join(' ').trim();
  return { tree: await listTree(tree, bounds), damage: complaints === '' ? '' : `debugfs: ${complaints}` };
}

async function readFat(
  path: string,
  span: { offset: number; size: number },
  workDir: string,
  bounds: Bounds,
): Promise<{ tree: string[]; damage: string }> {
  // fsck.fat knows no offset.
  const copy = join(workDir, 'fat.img');
  const amount = [`skip=${span.offset}`, `count=${span.size}`, 'iflag=skip_bytes,count_bytes'];
  await run(['dd', `if=${path}`, `of=${copy}`, 'bs=1M', 'conv=sparse', 'status=none', ...amount], bounds);
  const check = await run(['fsck.fat', '-n', copy], { ...bounds, okCodes: [0, 1, 2] });
  if (check.exitCode !== 0) return { tree: [], damage: `fsck.fat: ${lastLine(check.stdout)}` };
  const tree = join(workDir, 'tree');
  mkdirSync(tree);
  await run(['mcopy', '-s', '-m', '-n', '-i', copy, '::*', tree], bounds);
  return { tree: await listTree(tree, bounds), damage: '' };
}

/** Folders' and links' own times are those of the copying; everything else must have come through. */
async function listTree(folder: string, bounds: Bounds): Promise<string[]> {
  const inFolder = { ...bounds, cwd: folder };
  const files = ['(', '-type', 'f', '-printf', '%p\\t%y %m %U:%G %s %n %T@\\n', ')'];
  const others = ['(', '!', '-type', 'f', '-printf', '%p\\t%y %m %U:%G %l\\n', ')'];
  const listed = await run(['find', '.', ...files, '-o', ...others], inFolder);
  const hashed = await run(['find', '.', '-type', 'f', '-exec', 'b3sum', '--num-threads', '1', '{}', '+'], inFolder);
  const hashes = hashed.stdout.split('\n').map((line) => `${line.slice(66)}\t${line.slice(0, 64)}`);
  return [...listed.stdout.split('\n'), ...hashes].filter((line) => line.trim() !== '').sort();
}

/** Says where two sorted lists part; undefined when they are equal. */
function firstDifference(expected: readonly string[], found: readonly string[]): string | undefined {
  const length = Math.max(expected.length, found.length);
  for (let i = 0; i < length; i++) {
    if (expected[i] !== found[i]) return `expected ${JSON.stringify(expected[i])}, found ${JSON.stringify(found[i])}`;
  }
  return undefined;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function readBytes(path: string, offset: number, length: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, offset);
    return bytes;
  } finally {
    closeSync(file);
  }
}
