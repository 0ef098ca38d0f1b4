/**
 * A disk that boots, as a file: an MBR, a FAT32 system partition with SYSLINUX for BIOS and shim + GRUB for UEFI (Secure Boot
 * on or off), and an ext4 partition. Its operating system is a kernel and a busybox that prints one line on the serial
 * console and switches the machine off. Needs no root, no mount and no loop device.
 */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { makeCpio } from '#pxe-assets/cpio.ts';
import { run } from '#system/run.ts';
import { plantFileTree } from './file-tree.ts';
import { upLine } from './up-line.ts';

const MIB = 1024 * 1024;
const SECTOR_BYTES = 512;
const MBR_CODE = '/usr/lib/syslinux/mbr/mbr.bin';
const BUSYBOX = '/bin/busybox';
const esp = { startBytes: MIB, sizeBytes: 42 * MIB };
const ROOT_START_BYTES = esp.startBytes + esp.sizeBytes;
/** The root filesystem without files of `usedMiB`. */
const EMPTY_ROOT_BYTES = 20 * MIB;
/** The size of a disk without files of `usedMiB`. */
export const BOOTABLE_DISK_BYTES = bootableDiskBytes(0);

/** `usedMiB`: see BootableDiskOptions. */
export function bootableDiskBytes(usedMiB: number): number {
  return ROOT_START_BYTES + rootBytes(usedMiB) + MIB;
}

/** As on a real disk, most of it is unused. */
function rootBytes(usedMiB: number): number {
  return EMPTY_ROOT_BYTES + usedMiB * 2 * MIB;
}

export interface BootableDiskOptions {
  /** The file to make. */
  readonly path: string;
  /** A folder for what is needed while building; removed at the end. */
  readonly workDir: string;
  /** Folder of the boot assets: the kernel, shim and GRUB come from there. */
  readonly assets: string;
  /** What its operating system calls itself. */
  readonly name: string;
  /** Files on its root filesystem, in MiB, taken from this machine's /usr. Default: none but its own. */
  readonly usedMiB?: number;
}

/** Throws PROGRAM_MISSING, PROGRAM_FAILED. */
export async function buildBootableDisk(options: BootableDiskOptions): Promise<void> {
  const { path, workDir, usedMiB = 0 } = options;
  mkdirSync(workDir, { recursive: true });
  try {
    rmSync(path, { force: true });
    closeSync(openSync(path, 'w'));
    truncateSync(path, bootableDiskBytes(usedMiB));
    await run(['sfdisk', '--quiet', path], { input: partitionScript(usedMiB) });
    writeAt(path, readFileSync(MBR_CODE), 0);
    await fillSystemPartition(options);
    await fillRoot(options);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

const inSectors = (part: { startBytes: number; sizeBytes: number }) =>
  `start=${part.startBytes / SECTOR_BYTES}, size=${part.sizeBytes / SECTOR_BYTES}`;
const partitionScript = (usedMiB: number) =>
  [
    'label: dos',
    'label-id: 0xf1ee7ca5',
    'unit: sectors',
    `${inSectors(esp)}, type=ef, bootable`,
    `${inSectors({ startBytes: ROOT_START_BYTES, sizeBytes: rootBytes(usedMiB) })}, type=83`,
    '',
  ].join('\n');

async function fillSystemPartition({ path, workDir, assets, name }: BootableDiskOptions): Promise<void> {
  // `-h`: the boot code in the partition adds the sectors before it to every address.
  await run([
    ...[
      'mkfs.fat',
      '-F',
      '32',
      '-s',
      '1',
      '-n',
      'SYSTEM',
      '-i',
      'F1EE7CA5',
      '-h',
      String(esp.startBytes / SECTOR_BYTES),
    ],
    ...['--offset', String(esp.startBytes / SECTOR_BYTES), path, String(esp.sizeBytes / 1024)],
  ]);
  await run(['syslinux', '--install', '--offset', String(esp.startBytes), path]);
  const tree = join(workDir, 'system');
  for (const folder of ['EFI/BOOT', 'grub']) mkdirSync(join(tree, folder), { recursive: true });
  writeFileSync(join(tree, 'vmlinuz'), readFileSync(join(assets, 'vmlinuz')));
  writeFileSync(join(tree, 'initrd.img'), makeInitrd(name));
  writeFileSync(join(tree, 'EFI/BOOT/BOOTX64.EFI'), readFileSync(join(assets, 'shimx64.efi')));
  writeFileSync(join(tree, 'EFI/BOOT/grubx64.efi'), readFileSync(join(assets, 'grubx64.efi')));
  writeFileSync(
    join(tree, 'syslinux.cfg'),
    `DEFAULT os\nLABEL os\n LINUX /vmlinuz\n INITRD /initrd.img\n APPEND ${KERNEL_ARGS}\n`,
  );
  // The network build of GRUB looks in /grub of the disk that it came from.
  writeFileSync(join(tree, 'grub/grub.cfg'), `linux /vmlinuz ${KERNEL_ARGS}\ninitrd /initrd.img\nboot\n`);
  const names = ['vmlinuz', 'initrd.img', 'syslinux.cfg', 'EFI', 'grub'].map((entry) => join(tree, entry));
  await run(['mcopy', '-s', '-i', `${path}@@${esp.startBytes}`, ...names, '::']);
}

const KERNEL_ARGS = 'console=ttyS0 quiet';

function makeInitrd(name: string): Buffer {
  // The tty is drained before the power goes.
  const init = `#!/bin/busybox sh\necho "${upLine(name)}"\n/bin/busybox sleep 1\n/bin/busybox poweroff -f\n`;
  return zstdCompressSync(
    makeCpio([
      { path: 'init', kind: 'file', bytes: Buffer.from(init), isProgram: true },
      { path: 'bin/busybox', kind: 'file', bytes: readFileSync(BUSYBOX), isProgram: true },
      { path: 'dev', kind: 'folder' },
    ]),
  );
}

async function fillRoot({ path, workDir, name, usedMiB = 0 }: BootableDiskOptions): Promise<void> {
  const tree = join(workDir, 'root');
  if (usedMiB > 0) plantFileTree(tree, usedMiB * MIB, 1);
  mkdirSync(join(tree, 'etc'), { recursive: true });
  writeFileSync(join(tree, 'etc/hostname'), `${name}\n`);
  writeFileSync(join(tree, 'etc/issue'), 'The operating system of a virtual machine in the lab\n');
  await run([
    ...['mke2fs', '-q', '-F', '-t', 'ext4', '-b', '4096', '-L', 'root', '-d', tree],
    ...['-E', `offset=${ROOT_START_BYTES}`, path, `${rootBytes(usedMiB) / 1024}k`],
  ]);
}

function writeAt(path: string, bytes: Uint8Array, offset: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}
