/**
 * A Linux with the kernel and the tools of the agent image, to make and to check disks that this machine's own kernel cannot
 * handle (device-mapper, NTFS, XFS …): one QEMU without network, and without firmware or with the variables of a UEFI, which runs one shell
 * script and ends.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCpio } from '#pxe-assets/cpio.ts';
import { run } from '#system/run.ts';
import { processorArguments, uefiArguments } from './virtual-machine.ts';

/** Software emulation on two busy cores: it boots in 10 s when alone. */
const LIMIT_MS = 600_000;
const BEGIN = 'WORKBENCH-BEGIN';
const END = 'WORKBENCH-END';

export interface WorkbenchOptions {
  /** Folder of the boot assets. */
  readonly assets: string;
  /** A folder of its own for what is needed while it runs; removed at the end. */
  readonly workDir: string;
  /** Run by busybox sh as root; its virtio disks are /dev/vda, /dev/vdb … in the order given, others as their driver calls them. */
  readonly script: string;
  /** A file alone is a raw disk on virtio with sectors of 512 bytes. */
  readonly disks: readonly (string | WorkbenchDisk)[];
  /** What else it finds: path without the leading slash → content. */
  readonly files?: Readonly<Record<string, Buffer>>;
  readonly memoryMiB?: number;
  /** With UEFI as its firmware: the file of its variables. */
  readonly uefiVariables?: string;
  readonly limitMs?: number;
}

export interface WorkbenchDisk {
  /** File: a raw disk. Its serial number is BENCH and its place among all disks, from 0. */
  readonly path: string;
  /** nvme takes Format NVM; sata is QEMU's AHCI, without the ATA security feature set. */
  readonly bus: 'virtio' | 'nvme' | 'sata' | 'scsi';
  /** QEMU's SATA disks have 512 alone. */
  readonly sectorBytes: 512 | 4096;
}

export interface WorkbenchResult {
  readonly exitCode: number;
  /** What the script printed, stderr too. */
  readonly output: string;
}

/** Runs the script; what it wrote is on the disks afterwards. Throws PROGRAM_MISSING, PROGRAM_FAILED, and an Error with the console's words when the machine did not come to its end. */
export async function runOnWorkbench(o: WorkbenchOptions): Promise<WorkbenchResult> {
  mkdirSync(o.workDir, { recursive: true });
  try {
    const initrd = join(o.workDir, 'workbench.img');
    const stage1 = readFileSync(join(o.assets, 'stage1.img'));
    // The kernel looks for the next archive at a multiple of four.
    writeFileSync(initrd, Buffer.concat([stage1, Buffer.alloc((4 - (stage1.length % 4)) % 4), overlayOf(o)]));
    const consoleLog = join(o.workDir, 'console.log');
    await run(qemuArguments(o, initrd, consoleLog), { limitMs: o.limitMs ?? LIMIT_MS });
    return readResult(readFileSync(consoleLog, 'utf8'));
  } finally {
    rmSync(o.workDir, { recursive: true, force: true });
  }
}

/** Laid over stage 1 (the kernel unpacks both): the agent's squashfs, the script, and another /init. */
function overlayOf({ assets, script, files = {} }: WorkbenchOptions): Buffer {
  const program = (path: string, text: string) =>
    ({ path, kind: 'file', bytes: Buffer.from(text), isProgram: true }) as const;
  const squashfs = readFileSync(join(assets, 'agent.squashfs'));
  return makeCpio([
    program('init', FIRST_INIT),
    program('workbench-init', SECOND_INIT),
    program('workbench-script', script),
    { path: 'agent.squashfs', kind: 'file', bytes: squashfs, isProgram: false },
    { path: 'workbench-files', kind: 'folder' },
    ...Object.entries(files).map(
      ([path, bytes]) => ({ path: `workbench-files/${path}`, kind: 'file', bytes, isProgram: false }) as const,
    ),
  ]);
}

const FIRST_INIT = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /run /ram /newroot
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
for module in loop squashfs overlay; do modprobe -q $module; done
mount -t tmpfs -o size=90% tmpfs /ram
mkdir -p /ram/lower /ram/upper /ram/work
mount -t squashfs -o ro,loop /agent.squashfs /ram/lower
mount -t overlay -o lowerdir=/ram/lower,upperdir=/ram/upper,workdir=/ram/work overlay /newroot
cp /workbench-init /workbench-script /newroot/
cp -r /workbench-files/. /newroot/
mkdir -p /newroot/tmp
for folder in proc sys dev run; do mount --move /$folder /newroot/$folder; done
exec switch_root /newroot /workbench-init
`;

const SECOND_INIT = `#!/usr/bin/busybox sh
export PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root LC_ALL=C
for _ in 1 2; do
  busybox find /sys/devices -name modalias -exec cat {} + 2>/dev/null | busybox sort -u | busybox xargs -r modprobe -a -q -b 2>/dev/null
done
modprobe -a -q loop virtio_blk sd_mod dm_mod 2>/dev/null
[ -d /sys/firmware/efi/efivars ] && busybox mount -t efivarfs efivarfs /sys/firmware/efi/efivars
busybox mount -t tmpfs tmpfs /tmp
busybox mkdir -p /mnt /dev/shm
echo ${BEGIN}
busybox sh /workbench-script 2>&1
echo "${END} $?"
busybox sync
busybox sleep 1
busybox poweroff -f
`;

function qemuArguments(o: WorkbenchOptions, initrd: string, consoleLog: string): string[] {
  return [
    ...['qemu-system-x86_64', ...processorArguments],
    ...(o.uefiVariables === undefined ? ['-M', 'q35'] : uefiArguments(o.uefiVariables)),
    ...['-m', String(o.memoryMiB ?? 1024), '-display', 'none', '-nodefaults', '-no-reboot'],
    ...['-kernel', join(o.assets, 'vmlinuz'), '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet panic=-1', '-serial', `file:${consoleLog}`],
    ...['-device', 'virtio-scsi-pci,id=scsi'],
    ...o.disks.flatMap((disk, i) =>
      diskArguments(typeof disk === 'string' ? { path: disk, bus: 'virtio', sectorBytes: 512 } : disk, i),
    ),
  ];
}

/** `qemu-system-x86_64 -device TYPE,help`, QEMU 7.2. Discarded places of the file read as zeros. */
function diskArguments({ path, bus, sectorBytes }: WorkbenchDisk, i: number): string[] {
  const [drive, serial] = [`drive=disk${i}`, `serial=BENCH${i}`];
  const sectors = `logical_block_size=${sectorBytes},physical_block_size=${sectorBytes}`;
  const devices: Record<WorkbenchDisk['bus'], string[]> = {
    virtio: [`virtio-blk-pci,${drive},${serial},${sectors}`],
    nvme: [`nvme,id=nvme${i},${serial}`, `nvme-ns,bus=nvme${i},${drive},${sectors}`],
    sata: [`ide-hd,bus=ide.${i},${drive},${serial}`],
    scsi: [`scsi-hd,bus=scsi.0,${drive},${serial},${sectors}`],
  };
  const file = `if=none,id=disk${i},file=${path},format=raw,cache=unsafe,discard=unmap`;
  return ['-drive', file, ...devices[bus].flatMap((device) => ['-device', device])];
}

function readResult(text: string): WorkbenchResult {
  const words = text.replaceAll('\r', '');
  const match = new RegExp(`${BEGIN}\n([^]*?)${END} (\\d+)`).exec(words);
  if (match === null) throw new Error(`the workbench did not come to its end:\n${words.slice(-3000)}`);
  return { output: match[1]!, exitCode: Number(match[2]) };
}
