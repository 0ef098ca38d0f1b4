/**
 * A real machine of the lab: QEMU with real firmware, no operating system but what comes from the network and what lies on
 * its disk. Which lines QEMU needs for which firmware is written here, and nowhere else.
 */
import { createHash } from 'node:crypto';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { knownError } from '#protocol/errors.ts';
import { uuidFrom } from './topology.ts';

/** `uefi` knows the Secure Boot of `secure-boot` not at all; `uefi-http` asks for a URL instead of TFTP. */
export const vmFirmwares = ['bios', 'uefi', 'secure-boot', 'uefi-http'] as const;
export type VmFirmware = (typeof vmFirmwares)[number];
/** For people. */
export const vmFirmwareTitles: Readonly<Record<VmFirmware, string>> = {
  bios: 'BIOS',
  uefi: 'UEFI',
  'secure-boot': 'Secure Boot',
  'uefi-http': 'UEFI HTTP Boot',
};

/** Addresses of the lab's DHCP pool: one each (lab.ts). */
export const MAX_VIRTUAL_MACHINES = 5;

const OVMF = '/usr/share/OVMF';
const IPXE_ROMS = '/usr/lib/ipxe/qemu';

export interface VirtualMachine {
  readonly name: string;
  readonly firmware: VmFirmware;
  /** Port of the switch: a tap link. */
  readonly port: string;
  readonly mac: string;
  /** Its first network card is another one, with a cable to a network where nobody answers. */
  readonly idleCard?: { readonly port: string; readonly mac: string };
  readonly systemUuid: string;
  readonly diskSerial: string;
  readonly memoryMiB: number;
  /** Everything of the machine lies in it; QEMU runs there. */
  readonly folder: string;
}

/** Names of the files in the machine's folder. */
export const vmFiles = {
  disk: 'disk.img',
  /** All that the serial console ever said. */
  serialLog: 'serial.log',
  /** Unix sockets: the serial console, and QEMU's monitor. */
  console: 'console.sock',
  monitor: 'monitor.sock',
  variables: 'variables.fd',
} as const;

/** `index` counts the virtual machines of a lab from 0. `memoryMiB`: 384 is the least for the agent, 512 for Secure Boot's firmware. */
export function planVirtualMachine(o: {
  readonly run: string;
  readonly name: string;
  readonly index: number;
  readonly firmware: VmFirmware;
  readonly folder: string;
  readonly memoryMiB?: number;
  readonly hasIdleCard?: boolean;
}): VirtualMachine {
  if (o.index >= MAX_VIRTUAL_MACHINES) {
    throw new RangeError(`a lab has at most ${MAX_VIRTUAL_MACHINES} virtual machines`);
  }
  const number = (o.index + 1).toString(16).padStart(2, '0');
  const digest = createHash('sha256').update(`${o.run} vm ${o.name}`).digest('hex');
  return {
    name: o.name,
    firmware: o.firmware,
    port: `fc-v${o.index + 1}`,
    mac: `52:54:00:77:80:${number}`,
    ...(o.hasIdleCard === true ? { idleCard: { port: `fc-i${o.index + 1}`, mac: `52:54:00:77:7f:${number}` } } : {}),
    systemUuid: uuidFrom(digest),
    diskSerial: `VM${digest.slice(0, 9).toUpperCase()}`,
    memoryMiB: o.memoryMiB ?? (o.firmware === 'secure-boot' ? 512 : 384),
    folder: o.folder,
  };
}

/** Variables of a UEFI that has never run. */
export const FRESH_VARIABLES = join(OVMF, 'OVMF_VARS_4M.fd');

/** Makes the machine's folder with an empty disk and, for UEFI, fresh firmware variables. */
export function makeVirtualMachine(vm: VirtualMachine, diskBytes: number): void {
  mkdirSync(vm.folder, { recursive: true });
  const disk = join(vm.folder, vmFiles.disk);
  closeSync(openSync(disk, 'w'));
  truncateSync(disk, diskBytes);
  if (vm.firmware === 'bios') return;
  const variables = vm.firmware === 'secure-boot' ? join(OVMF, 'OVMF_VARS_4M.ms.fd') : FRESH_VARIABLES;
  copyFileSync(variables, join(vm.folder, vmFiles.variables));
}

/**
 * Software emulation only: where a /dev/kvm is, it may not be usable. Without cmpxchg16b: seen with QEMU 7.2, Linux 6.12 dies of a double
 * fault in __kmalloc right behind that instruction, its flags being garbage, in one of six boots on a busy machine.
 */
export const processorArguments: readonly string[] = ['-accel', 'tcg,thread=multi', '-cpu', 'max,-cx16', '-smp', '1'];

/**
 * argv of QEMU, to be run in the machine's folder.
 * `romfile=` (empty): else QEMU's iPXE takes the place of OVMF's own network boot.
 */
export function qemuArguments(vm: VirtualMachine): string[] {
  const isUefi = vm.firmware !== 'bios';
  return [
    ...['qemu-system-x86_64', ...processorArguments, '-m', String(vm.memoryMiB)],
    ...['-display', 'none', '-nodefaults', '-vga', 'std', '-name', vm.name],
    ...machineArguments[vm.firmware],
    ...[
      '-chardev',
      `socket,id=console,path=${vmFiles.console},server=on,wait=off,logfile=${vmFiles.serialLog},logappend=on`,
    ],
    ...['-serial', 'chardev:console', '-monitor', `unix:${vmFiles.monitor},server,nowait`],
    ...['-uuid', vm.systemUuid, '-smbios', `type=1,manufacturer=LabCo,product=VirtPC,serial=S-${vm.diskSerial}`],
    ...['-drive', `if=none,id=disk,file=${vmFiles.disk},format=raw,cache=unsafe`],
    ...['-device', `virtio-blk-pci,drive=disk,serial=${vm.diskSerial},bootindex=2`],
    ...(vm.idleCard === undefined ? [] : idleCardArguments(vm.idleCard)),
    ...['-netdev', `tap,id=net,ifname=${vm.port},script=no,downscript=no`],
    ...['-device', `virtio-net-pci,netdev=net,mac=${vm.mac},bootindex=1${isUefi ? ',romfile=' : ''}`],
  ];
}

/** Before the other on the PCI bus, so that the kernel calls it eth0; the firmware does not try to boot from it. */
function idleCardArguments({ port, mac }: NonNullable<VirtualMachine['idleCard']>): string[] {
  return [
    ...['-netdev', `tap,id=idle,ifname=${port},script=no,downscript=no`],
    ...['-device', `virtio-net-pci,netdev=idle,mac=${mac},romfile=`],
  ];
}

const variablesDrive = (path: string) => ['-drive', `if=pflash,format=raw,unit=1,file=${path}`];
const codeDrive = (name: string) => ['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${join(OVMF, name)}`];

/** A machine with UEFI; `variables`: the file of its variables. */
export function uefiArguments(variables: string): string[] {
  return ['-M', 'q35', ...codeDrive('OVMF_CODE_4M.fd'), ...variablesDrive(variables)];
}

/** The machine and its firmware; of QEMU that runs in a folder with the firmware's variables. */
export const machineArguments: Readonly<Record<VmFirmware, readonly string[]>> = {
  // `graphics=off`: SeaBIOS and iPXE speak on the serial console too.
  bios: ['-M', 'pc,graphics=off'],
  uefi: uefiArguments(vmFiles.variables),
  'secure-boot': [
    ...['-M', 'q35,smm=on', '-global', 'driver=cfi.pflash01,property=secure,value=on'],
    ...[...codeDrive('OVMF_CODE_4M.secboot.fd'), ...variablesDrive(vmFiles.variables)],
  ],
  'uefi-http': [
    ...uefiArguments(vmFiles.variables),
    ...['-fw_cfg', 'name=opt/org.tianocore/IPv4PXESupport,string=n'],
    ...['-fw_cfg', 'name=opt/org.tianocore/IPv6PXESupport,string=n', '-device', 'virtio-rng-pci'],
  ],
};

const needed = [
  { path: '/usr/bin/qemu-system-x86_64', from: 'qemu-system-x86' },
  { path: join(OVMF, 'OVMF_CODE_4M.secboot.fd'), from: 'ovmf' },
  { path: join(IPXE_ROMS, 'pxe-virtio.rom'), from: 'ipxe-qemu' },
  { path: '/usr/bin/mmdebstrap', from: 'mmdebstrap' },
  { path: '/usr/bin/mksquashfs', from: 'squashfs-tools' },
  { path: '/usr/bin/syslinux', from: 'syslinux' },
  { path: '/usr/lib/syslinux/mbr/mbr.bin', from: 'syslinux-common' },
];

/** Why no virtual machine can run here, with what to do; undefined when they can. */
export function missingForVirtualMachines(): string | undefined {
  const missing = needed.filter(({ path }) => !existsSync(path)).map(({ from }) => from);
  return missing.length === 0 ? undefined : `virtual machines need ${missing.join(', ')}: npm run setup, as root`;
}

/** Throws PROGRAM_MISSING for the first thing that virtual machines need and that is not installed. */
export function requireVirtualMachines(): void {
  const missing = needed.find(({ path }) => !existsSync(path));
  if (missing !== undefined) throw knownError('PROGRAM_MISSING', { program: missing.path, package: missing.from });
}
