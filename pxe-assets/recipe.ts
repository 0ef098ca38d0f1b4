/**
 * What the boot assets are made of, as data: Debian packages, programs, kernel modules, files. The build (build.ts) adds what
 * these need: shared libraries by their ELF headers, modules by modprobe(8).
 */

import type { Architecture, ArchitectureName } from './architecture.ts';
import { type Tool, toolbox } from './toolbox.ts';

export const SUITE = 'trixie';

/** Packages that are downloaded and unpacked, with what they depend on. Never configured, never run. */
export function packagesFor({ name, kernelPackage }: Architecture): string[] {
  return [
    ...[kernelPackage, 'kmod', 'busybox-static', 'iproute2', 'ethtool', 'udpcast', 'zstd', 'libstdc++6', 'coreutils'],
    ...(name === 'amd64' ? ['shim-signed', 'grub-efi-amd64-signed', 'ipxe'] : []),
    ...toolsFor(name).flatMap((tool) => tool.packages ?? []),
  ];
}

/** Programs of the agent's squashfs. A name ending in * is a pattern. */
export function programsFor({ name }: Architecture): string[] {
  return [
    ...['busybox', 'udp-receiver', 'env', 'zstd', 'ip', 'ethtool', 'kmod', 'modprobe', 'rmmod', 'modinfo'],
    ...toolsFor(name).flatMap((tool) => tool.programs ?? []),
  ];
}

/** Files and folders of the agent's squashfs that are copied as they are. */
export function filesFor({ name }: Architecture): string[] {
  return toolsFor(name).flatMap((tool) => tool.files ?? []);
}

function toolsFor(name: ArchitectureName): Tool[] {
  return toolbox.filter((tool) => tool.only === undefined || tool.only === name);
}

/** Drivers that bring the first packet: network cards of ordinary PCs, servers and virtual machines, and USB adapters. */
export const networkModules: readonly string[] = [
  ...[
    'virtio_net',
    'virtio_pci',
    'e1000',
    'e1000e',
    'igb',
    'igc',
    'ixgbe',
    'i40e',
    'ice',
    'r8169',
    '8139cp',
    '8139too',
  ],
  ...[
    'tg3',
    'bnx2',
    'bnx2x',
    'bnxt_en',
    'atlantic',
    'alx',
    'atl1c',
    'sky2',
    'forcedeth',
    'jme',
    'be2net',
    'mlx4_en',
    'mlx5_core',
  ],
  ...[
    'vmxnet3',
    'hv_netvsc',
    'xhci_pci',
    'ehci_pci',
    'r8152',
    'ax88179_178a',
    'asix',
    'cdc_ether',
    'cdc_ncm',
    'smsc95xx',
  ],
  ...['realtek', 'af_packet'],
];
/** What stage 1 needs to put the agent's squashfs in place. */
export const rootModules: readonly string[] = ['loop', 'squashfs', 'overlay'];
/** Drivers of disks. */
export const diskModules: readonly string[] = [
  ...['ahci', 'ata_piix', 'ata_generic', 'nvme', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'sr_mod', 'usb_storage', 'uas'],
  ...['sdhci_pci', 'sdhci_acpi', 'mmc_block', 'vmd', 'mpt3sas', 'megaraid_sas', 'hpsa', 'smartpqi', 'aacraid'],
  ...['mptspi', 'mptsas', 'vmw_pvscsi', 'hv_storvsc'],
];
/** What the tools of the toolbox use. */
export function toolModulesFor({ name }: Architecture): string[] {
  return toolsFor(name).flatMap((tool) => tool.modules ?? []);
}

/** Packages of Debian's non-free-firmware with the files that these drivers name (firmware-files.ts finds which). */
export const firmwarePackages: readonly string[] = [
  ...['firmware-realtek', 'firmware-bnx2', 'firmware-bnx2x', 'firmware-intel-misc', 'firmware-misc-nonfree'],
];

/** What firmware is given, as it lies in the packages for amd64 (iPXE for ARM too): name on the server → path. */
export const bootLoaders: Readonly<Record<string, string>> = {
  'shimx64.efi': 'usr/lib/shim/shimx64.efi.signed',
  'grubx64.efi': 'usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed',
  'mmx64.efi': 'usr/lib/shim/mmx64.efi.signed',
  'undionly.kpxe': 'usr/lib/ipxe/undionly.kpxe',
  'ipxe.efi': 'usr/lib/ipxe/ipxe-amd64.efi',
  'snponly.efi': 'usr/lib/ipxe/snponly.efi',
  'ipxe-arm64.efi': 'usr/lib/ipxe/ipxe-arm64.efi',
};

/** npm packages with a native part: they cannot be bundled into the agent's files, and lie beside them. */
export const nativePackages: readonly string[] = ['@napi-rs/blake-hash'];
/** Folders of this repository that the agent is made of. */
export const agentFolders: readonly string[] = ['protocol', 'system', 'client-agent'];
