/**
 * Tells from a request what kind of program asks: PXE ROM, UEFI HTTP Boot, iPXE, or something that does not boot from the
 * network. By options 93, 77 and 175; the text behind the first word of option 60 is never parsed, since iPXE sends it
 * or leaves it out as it likes (seen on iPXE EFI builds).
 */
import { option } from './option.ts';
import type { DhcpPacket } from './packet.ts';

/** Processor and firmware, from option 93 (RFC 4578 and IANA's "Processor Architecture Types"). */
export type Firmware = 'bios' | 'uefi-x86' | 'uefi-x64' | 'uefi-arm32' | 'uefi-arm64' | 'other';

export interface BootClient {
  readonly mac: string;
  /** The SMBIOS UUID of option 97, lower case. */
  readonly uuid?: string;
  /** The first number of option 93. */
  readonly arch: number;
  readonly firmware: Firmware;
  readonly isIpxe: boolean;
  /** UEFI HTTP Boot: it wants a URL. */
  readonly isHttp: boolean;
}

/** 9 is "EBC" on paper, and what early x64 firmware sends (RFC 4578 errata; seen in dnsmasq's and iPXE's own tables). */
const firmwareOf: Readonly<Record<number, Firmware>> = {
  0: 'bios',
  6: 'uefi-x86',
  7: 'uefi-x64',
  9: 'uefi-x64',
  10: 'uefi-arm32',
  11: 'uefi-arm64',
  15: 'uefi-x86',
  16: 'uefi-x64',
  17: 'uefi-x64',
  18: 'uefi-arm32',
  19: 'uefi-arm64',
  20: 'bios',
};
const HTTP_ARCHITECTURES = new Set([15, 16, 17, 18, 19, 20]);

/** Undefined for a client that does not ask to boot from the network. */
export function identifyClient(packet: DhcpPacket, mac: string): BootClient | undefined {
  const architecture = packet.options.get(option.architecture);
  if (architecture === undefined || architecture.length < 2) return undefined;
  const vendorClass = packet.options.get(option.vendorClass);
  const isHttpClass = startsWith(vendorClass, 'HTTPClient');
  if (!isHttpClass && !startsWith(vendorClass, 'PXEClient')) return undefined;
  const arch = architecture.readUInt16BE(0);
  const uuid = readMachineId(packet.options.get(option.machineId));
  return {
    mac,
    ...(uuid === undefined ? {} : { uuid }),
    arch,
    firmware: firmwareOf[arch] ?? 'other',
    isIpxe: isIpxe(packet),
    isHttp: isHttpClass || HTTP_ARCHITECTURES.has(arch),
  };
}

/** Type 0 and 16 bytes, the first three groups little-endian (as SMBIOS stores them; seen on OVMF and iPXE). */
export function readMachineId(data: Buffer | undefined): string | undefined {
  if (data === undefined || data.length !== 17 || data[0] !== 0) return undefined;
  const hex = (from: number, to: number) => data.toString('hex', from, to);
  const turned = (from: number, to: number) => Buffer.from(data.subarray(from, to)).reverse().toString('hex');
  return `${turned(1, 5)}-${turned(5, 7)}-${turned(7, 9)}-${hex(9, 11)}-${hex(11, 17)}`;
}

function isIpxe(packet: DhcpPacket): boolean {
  if (packet.options.has(option.ipxe)) return true;
  const userClass = packet.options.get(option.userClass);
  if (userClass === undefined) return false;
  const isBare = userClass.equals(Buffer.from('iPXE'));
  return isBare || userClass.equals(Buffer.from('\x04iPXE'));
}

function startsWith(data: Buffer | undefined, word: string): boolean {
  return data?.toString('latin1', 0, word.length) === word;
}
