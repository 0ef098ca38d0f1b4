/** What iPXE and GRUB are told: to load the agent, or to go on with the local disk. Every script ends in a way on. */
import type { BootTarget } from '#protocol/agent-api.ts';
import type { BootClient } from './dhcp/client-kind.ts';

/** Names of an agent image's files on the server (pxe-assets/architecture.ts). */
export interface AgentImage {
  readonly kernel: string;
  readonly stage1: string;
  readonly squashfs: string;
}

const x64Image: AgentImage = { kernel: 'vmlinuz', stage1: 'stage1.img', squashfs: 'agent.squashfs' };
const arm64Image: AgentImage = {
  kernel: 'vmlinuz-arm64',
  stage1: 'stage1-arm64.img',
  squashfs: 'agent-arm64.squashfs',
};

/** GRUB is served to x64 alone, so only iPXE says which firmware it is. */
export function agentImageFor(firmware: BootClient['firmware']): AgentImage {
  return firmware === 'uefi-arm64' ? arm64Image : x64Image;
}

export interface ScriptOptions {
  /** MAC of the card that the machine booted from. */
  readonly mac: string;
  /** Which of the agent images this machine loads. */
  readonly image: AgentImage;
  /** SHA-256 of its squashfs, in hex. */
  readonly squashSha256: string;
  /** Added to the kernel command line by the admin: consoles, quirks of a machine. */
  readonly kernelArgs: string;
  readonly isDebug: boolean;
}

/** Where the files of the boot assets are served, below the base URL of the agent API. */
export const FILES_PATH = '/boot/v1/files';
/** A script that cannot go on waits so long, then the machine starts again. In seconds. */
const RETRY_S = 30;

/** Seen in QEMU: `exit` opens OVMF's setup, and a BIOS wants the drive by its number. */
const ipxeLocalBoot: Readonly<Record<'bios' | 'uefi' | 'arm64', string>> = {
  bios: 'sanboot --no-describe --drive 0x80',
  uefi: 'sanboot --no-describe --drive 0 --filename \\EFI\\BOOT\\BOOTX64.EFI',
  // A guess from the x64 one and the name in the UEFI specification, 3.5.1.1: not tried.
  arm64: 'sanboot --no-describe --drive 0 --filename \\EFI\\BOOT\\BOOTAA64.EFI',
};

function localBootOf(firmware: BootClient['firmware']): keyof typeof ipxeLocalBoot {
  if (firmware === 'bios') return 'bios';
  return firmware === 'uefi-arm64' ? 'arm64' : 'uefi';
}

/** A script of iPXE: loads the agent, or boots the local disk in the way of this firmware. */
export function ipxeScript(target: BootTarget, firmware: BootClient['firmware'], options: ScriptOptions): string {
  if (target.target === 'local') {
    return lines(
      '#!ipxe',
      `echo fleetcast: booting the local disk (${target.reason})`,
      `${ipxeLocalBoot[localBootOf(firmware)]} || goto failed`,
      ...ipxeFailed('the local disk does not boot'),
    );
  }
  const files = `${target.server}${FILES_PATH}`;
  return lines(
    '#!ipxe',
    'echo fleetcast: loading the agent',
    `kernel ${files}/${options.image.kernel} initrd=stage1.img ${kernelCommandLine(target, options)} || goto failed`,
    `initrd --name stage1.img ${files}/${options.image.stage1} || goto failed`,
    'boot || goto failed',
    ...ipxeFailed('the agent could not be loaded'),
  );
}

/** A GRUB configuration, for the machines that came through shim. */
export function grubScript(target: BootTarget, options: ScriptOptions): string {
  if (target.target === 'local') {
    return lines(
      `echo "fleetcast: booting the local disk (${target.reason})"`,
      'if search --no-floppy --file /EFI/BOOT/BOOTX64.EFI --set=root; then',
      '  chainloader /EFI/BOOT/BOOTX64.EFI',
      '  boot',
      'fi',
      ...grubFailed('the local disk does not boot'),
    );
  }
  const files = `${grubDevice(target.server)}${FILES_PATH}`;
  return lines(
    'echo "fleetcast: loading the agent"',
    `if linux ${files}/${options.image.kernel} ${kernelCommandLine(target, options)}; then`,
    `  if initrd ${files}/${options.image.stage1}; then`,
    '    boot',
    '  fi',
    'fi',
    ...grubFailed('the agent could not be loaded'),
  );
}

/** What GRUB asks for first, the same for every machine: it sends it on to its own script. */
export function grubEntryScript(server: string): string {
  return lines(
    `configfile ${grubDevice(server)}/boot/v1/grub/$net_default_mac`,
    ...grubFailed('the server does not give a boot script'),
  );
}

/** The command line may be read by anyone on the host: it holds one single-use token and nothing secret else. */
function kernelCommandLine(target: BootTarget & { target: 'agent' }, options: ScriptOptions): string {
  return [
    options.kernelArgs,
    // A crashed kernel starts the machine again instead of standing still in an empty room.
    'panic=30',
    `fleetcast.server=${target.server}`,
    `fleetcast.token=${target.bootToken}`,
    `fleetcast.mac=${options.mac}`,
    `fleetcast.sha256=${options.squashSha256}`,
    ...(options.isDebug ? ['fleetcast.debug=1'] : []),
  ].join(' ');
}

/** `http://10.0.0.1:8470` as GRUB names it: `(http,10.0.0.1:8470)`. */
function grubDevice(server: string): string {
  return `(http,${new URL(server).host})`;
}

function ipxeFailed(problem: string): string[] {
  return [':failed', `echo fleetcast: ${problem}; trying again in ${RETRY_S} seconds`, `sleep ${RETRY_S}`, 'reboot'];
}

function grubFailed(problem: string): string[] {
  return [`echo "fleetcast: ${problem}; trying again in ${RETRY_S} seconds"`, `sleep ${RETRY_S}`, 'reboot'];
}

function lines(...all: string[]): string {
  return `${all.join('\n')}\n`;
}
