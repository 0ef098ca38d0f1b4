/**
 * Lays a partition table: a pure function makes the sfdisk(8) script, another runs it. The content of partitions is never
 * touched, nor are signatures in them; what is written is sector 0, the GPT at both ends, and the sectors of the logical chain.
 */
import { stat } from 'node:fs/promises';
import type { Disk } from '#protocol/disk.ts';
import type { Layout, Partition } from '#protocol/layout.ts';
import { run } from '#system/run.ts';
import { DirectFile } from './direct-file.ts';
import { writeHybridMbr } from './hybrid-mbr.ts';
import { BOOT_CODE_BYTES } from './layout-reader.ts';
import { withSectorSize } from './loop-device.ts';

/** A disk, or a file that stands for one. */
type Place = Pick<Disk, 'path' | 'sizeBytes' | 'sectorBytes'>;

/** Bytes that were zeroed: absolute offsets, end exclusive. */
export interface ClearedRun {
  readonly startBytes: number;
  readonly endBytes: number;
}

/**
 * Lays the table and the boot code. On a disk of another size than the source's the backup GPT goes to this disk's end.
 * Bytes of volumes stay as they are, so an old GPT header in sector 1 of an MBR disk too: `clearLabel` comes first.
 * May be repeated. A layout without a table changes nothing. Throws PROGRAM_FAILED, DISK_WRITE_FAILED.
 */
export async function applyLayout(disk: Place, layout: Layout): Promise<void> {
  if (layout.label === 'none') return;
  const isFile = (await stat(disk.path)).isFile();
  const script = sfdiskScript(layout, disk.sizeBytes);
  await withSectorSize({ ...disk, isFile }, 'write', (path) => run(sfdiskArgv(path), { input: script }));
  writeBootCode(disk.path, layout);
  writeHybridMbr(disk, layout);
  // The kernel may know no partitions at all, or refuse while one is in use: the table on the disk is right either way.
  if (!isFile) await run(['blockdev', '--rereadpt', disk.path], { limitMs: 30_000, okCodes: [0, 1] });
}

function sfdiskArgv(path: string): string[] {
  const careful = ['--no-reread', '--no-tell-kernel', '--wipe', 'never', '--wipe-partitions', 'never'];
  return ['sfdisk', '--quiet', ...careful, path];
}

/** The script that makes sfdisk lay `layout` on a disk of `diskBytes`. Pure. */
export function sfdiskScript(layout: Layout, diskBytes: number): string {
  const lines = [`label: ${layout.label}`];
  if (layout.labelId !== undefined) lines.push(`label-id: ${layout.labelId}`);
  lines.push('unit: sectors');
  if (layout.label === 'gpt') {
    if (layout.firstLba !== undefined) lines.push(`first-lba: ${layout.firstLba}`);
    // On a disk of another size sfdisk finds the last usable sector itself.
    if (layout.lastLba !== undefined && diskBytes === layout.diskBytes) lines.push(`last-lba: ${layout.lastLba}`);
    if (layout.tableLength !== undefined) lines.push(`table-length: ${layout.tableLength}`);
  }
  lines.push('', ...layout.partitions.map(partitionLine), '');
  return lines.join('\n');
}

function partitionLine(partition: Partition): string {
  const fields = [`start=${partition.startSector}`, `size=${partition.sectors}`, `type=${partition.type}`];
  if (partition.uuid !== undefined) fields.push(`uuid=${partition.uuid}`);
  if (partition.name !== undefined) fields.push(`name="${escapeName(partition.name)}"`);
  if (partition.attrs !== undefined) fields.push(`attrs="${escapeName(partition.attrs)}"`);
  if (partition.bootable) fields.push('bootable');
  // sfdisk takes the number from the end of the name before the colon.
  return `disk${partition.number} : ${fields.join(', ')}`;
}

/** sfdisk reads `\xHH` in quoted values, as its own dump prints them. */
function escapeName(name: string): string {
  let out = '';
  for (const byte of Buffer.from(name)) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    out += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return out;
}

/** Bytes 0–439 only: the signature and the table behind them are sfdisk's. */
function writeBootCode(path: string, layout: Layout): void {
  const code = Buffer.alloc(BOOT_CODE_BYTES);
  if (layout.bootCode !== undefined) Buffer.from(layout.bootCode, 'base64').copy(code);
  const file = DirectFile.open(path, 'write');
  try {
    file.writeAt(code, 0, code.length);
    file.sync();
  } finally {
    file.close();
  }
}

/**
 * Makes a disk one without a table, so that a half-written disk never boots as something it is not: zeroes what `findLabel`
 * finds, and returns it: chunks that reach into it (of a disk without a table, or of the boot area) must be written again.
 * May be repeated. Throws DISK_WRITE_FAILED.
 */
export async function clearLabel(disk: Disk): Promise<ClearedRun[]> {
  const file = DirectFile.open(disk.path, 'write');
  try {
    const runs = labelRuns(file, disk);
    for (const { startBytes, endBytes } of runs) {
      file.writeAt(Buffer.alloc(endBytes - startBytes), startBytes, endBytes - startBytes);
    }
    file.sync();
    return runs;
  } finally {
    file.close();
  }
}

/** What clearing the label would zero. Writes nothing. Throws DISK_READ_FAILED. */
export function findLabel(disk: Disk): ClearedRun[] {
  const file = DirectFile.open(disk.path, 'read');
  try {
    return labelRuns(file, disk);
  } finally {
    file.close();
  }
}

/**
 * Makes a disk whose chunks all lie in their places one without a table, before something in it is changed by programs: zeroes
 * only what no volume holds. May be repeated. Throws DISK_WRITE_FAILED.
 */
export async function clearTable(disk: Disk, label: Layout['label']): Promise<void> {
  // Behind the boot sector of an MBR disk the boot area begins.
  if (label === 'gpt') await clearLabel(disk);
  if (label !== 'dos') return;
  const file = DirectFile.open(disk.path, 'write');
  try {
    file.writeAt(Buffer.alloc(disk.sectorBytes), 0, disk.sectorBytes);
    file.sync();
  } finally {
    file.close();
  }
}

/** Sector 0, and the GPT headers in sector 1 and in the last sector where there are any. */
function labelRuns(file: DirectFile, { sectorBytes, sizeBytes }: Disk): ClearedRun[] {
  return [0, sectorBytes, sizeBytes - sectorBytes]
    .filter((start, i) => start + sectorBytes <= sizeBytes && (i === 0 || isGptHeader(file, start, sectorBytes)))
    .map((startBytes) => ({ startBytes, endBytes: startBytes + sectorBytes }));
}

/** UEFI 2.10, 5.3.2: a GPT header begins with `EFI PART`. */
function isGptHeader(file: DirectFile, offset: number, sectorBytes: number): boolean {
  const sector = Buffer.alloc(sectorBytes);
  file.readAt(sector, offset, sectorBytes);
  return sector.toString('latin1', 0, 8) === 'EFI PART';
}
