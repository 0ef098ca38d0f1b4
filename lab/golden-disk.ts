/**
 * Builds the disk of the golden machine as a file: a GPT with boot code, a FAT32 ESP, an ext4 root with a real file tree,
 * and swap. Needs no root, no mount and no loop device. The same seed and the same /usr give the same content and ids.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#system/run.ts';
import { plantFileTree } from './file-tree.ts';
import { seededBytes } from './seeded-bytes.ts';
import { uuidFrom } from './topology.ts';

const MIB = 1024 * 1024;
const SECTOR_BYTES = 512;
/** Boot code ends where the disk signature begins. */
const BOOT_CODE_BYTES = 440;
const SWAP_PAGE_BYTES = 4096;

export interface GoldenDiskOptions {
  /** The file to make. */
  readonly path: string;
  /** A folder for what is needed while building; removed at the end. */
  readonly workDir: string;
  /** Files on the root filesystem, in MiB. */
  readonly usedMiB?: number;
  /** Another seed, another content and other ids. */
  readonly seed?: number;
}

export interface GoldenPlan {
  readonly diskBytes: number;
  /** Input of sfdisk(8). */
  readonly script: string;
  readonly partitions: Readonly<Record<'esp' | 'root' | 'swap', { startBytes: number; sizeBytes: number }>>;
  readonly rootUuid: string;
  readonly swapUuid: string;
  readonly espSerial: string;
}

export const DEFAULT_USED_MIB = 96;

/** Where everything lies and what it is called. */
export function planGoldenDisk(usedMiB: number, seed: number): GoldenPlan {
  const id = (what: string) => uuidFrom(createHash('sha256').update(`golden ${seed} ${what}`).digest('hex'));
  // Room to spare, as on a real disk: most of the filesystem is unused, and the used part is spread over all of it.
  const sizesMiB = { esp: 64, root: Math.max(256, usedMiB * 4), swap: 64 };
  const partitions = {
    esp: { startBytes: MIB, sizeBytes: sizesMiB.esp * MIB },
    root: { startBytes: (1 + sizesMiB.esp) * MIB, sizeBytes: sizesMiB.root * MIB },
    swap: { startBytes: (1 + sizesMiB.esp + sizesMiB.root) * MIB, sizeBytes: sizesMiB.swap * MIB },
  };
  const line = (part: { startBytes: number; sizeBytes: number }, rest: string) =>
    `start=${part.startBytes / SECTOR_BYTES}, size=${part.sizeBytes / SECTOR_BYTES}, ${rest}`;
  const script = [
    'label: gpt',
    `label-id: ${id('label').toUpperCase()}`,
    'unit: sectors',
    line(
      partitions.esp,
      `type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=${id('esp')}, name="EFI System Partition", attrs="RequiredPartition"`,
    ),
    line(
      partitions.root,
      `type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=${id('root')}, name="root", attrs="LegacyBIOSBootable GUID:59"`,
    ),
    line(partitions.swap, `type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F, uuid=${id('swap')}, name="swap ${seed}"`),
    '',
  ].join('\n');
  return {
    diskBytes: partitions.swap.startBytes + partitions.swap.sizeBytes + MIB,
    script,
    partitions,
    rootUuid: id('root filesystem'),
    swapUuid: id('swap space'),
    espSerial: id('esp filesystem').slice(0, 8).toUpperCase(),
  };
}

/** Throws PROGRAM_MISSING, PROGRAM_FAILED. A second run with the same path makes it anew. */
export async function buildGoldenDisk(options: GoldenDiskOptions, signal?: AbortSignal): Promise<GoldenPlan> {
  const { path, workDir, usedMiB = DEFAULT_USED_MIB, seed = 1 } = options;
  const plan = planGoldenDisk(usedMiB, seed);
  const bounded = signal ? { signal } : {};
  mkdirSync(workDir, { recursive: true });
  try {
    rmSync(path, { force: true });
    closeSync(openSync(path, 'w'));
    truncateSync(path, plan.diskBytes);
    await run(['sfdisk', '--quiet', path], { input: plan.script, ...bounded });
    writeAt(path, seededBytes(`boot code ${seed}`, BOOT_CODE_BYTES), 0);

    const { esp, root, swap } = plan.partitions;
    const kib = (bytes: number) => String(bytes / 1024);
    await run(
      ['mkfs.fat', '-F', '32', '-s', '1', '-n', 'ESP', '-i', plan.espSerial].concat([
        '--offset',
        String(esp.startBytes / SECTOR_BYTES),
        path,
        kib(esp.sizeBytes),
      ]),
      bounded,
    );
    const espTree = join(workDir, 'esp');
    plantEsp(espTree, seed);
    await run(['mcopy', '-s', '-m', '-i', `${path}@@${esp.startBytes}`, join(espTree, 'EFI'), '::'], bounded);

    const rootTree = join(workDir, 'root');
    plantFileTree(rootTree, usedMiB * MIB, seed);
    await run(
      [
        'mke2fs',
        '-q',
        '-F',
        '-t',
        'ext4',
        '-b',
        '4096',
        '-L',
        `root-${seed}`,
        '-U',
        plan.rootUuid,
        '-d',
        rootTree,
      ].concat(['-E', `offset=${root.startBytes},hash_seed=${plan.rootUuid}`, path, `${kib(root.sizeBytes)}k`]),
      bounded,
    );

    await writeSwap(path, join(workDir, 'swap'), swap, plan.swapUuid, `swap-${seed}`);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
  return plan;
}

/** What an installed system keeps there; the loaders are noise, nothing here is ever executed. */
function plantEsp(folder: string, seed: number): void {
  for (const name of ['EFI/BOOT', 'EFI/debian']) mkdirSync(join(folder, name), { recursive: true });
  const write = (name: string, content: string | Buffer) => writeFile(join(folder, name), content);
  write('EFI/BOOT/BOOTX64.EFI', seededBytes(`shim ${seed}`, 900_000));
  write('EFI/debian/grubx64.efi', seededBytes(`grub ${seed}`, 2_300_000));
  write('EFI/debian/grub.cfg', `search --fs-uuid --set=root ${seed}\nconfigfile /boot/grub/grub.cfg\n`);
  write('EFI/debian/A long name with blanks.txt', `golden machine ${seed}\n`);
}

/** mkswap(8) of Debian 12 cannot write at an offset: it writes a sparse file, and its only page moves to the disk. */
async function writeSwap(
  path: string,
  scratch: string,
  part: { startBytes: number; sizeBytes: number },
  uuid: string,
  label: string,
): Promise<void> {
  closeSync(openSync(scratch, 'w', 0o600));
  truncateSync(scratch, part.sizeBytes);
  await run(['mkswap', '--quiet', '--uuid', uuid, '--label', label, scratch]);
  writeAt(path, readFileSync(scratch).subarray(0, SWAP_PAGE_BYTES), part.startBytes);
}

function writeFile(path: string, content: string | Buffer): void {
  const file = openSync(path, 'w');
  writeSync(file, Buffer.from(content));
  closeSync(file);
}

function writeAt(path: string, bytes: Uint8Array, offset: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}
