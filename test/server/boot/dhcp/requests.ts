/** Requests as programs and firmware send them, all captured, and ones made for a test. */
import { readFileSync } from 'node:fs';
import { NO_ADDRESS } from '#server/boot/dhcp/address.ts';
import { message, messageName, option } from '#server/boot/dhcp/option.ts';
import { type DhcpPacket, decodePacket, OP_REQUEST } from '#server/boot/dhcp/packet.ts';
import { readTalk } from '../golden-talk.ts';

export const MAC = '52:54:00:77:00:01';
export const UUID = '12345678-9abc-def0-1234-56789abcdef0';
/** The same on the wire: the first three groups little-endian. */
export const WIRE_UUID = '0078563412bc9af0de123456789abcdef0';

/** Captured on this kind of machine: busybox 1.35.0 and ISC dhclient 4.4.3-P1. */
export function capture(name: 'udhcpc-discover' | 'udhcpc-pxe-discover' | 'dhclient-discover'): Buffer {
  return Buffer.from(readFileSync(new URL(`golden/${name}.hex`, import.meta.url), 'latin1').replace(/\s/g, ''), 'hex');
}

export function request(
  type: number,
  o: Partial<DhcpPacket> = {},
  options: Iterable<[number, Buffer]> = [],
): DhcpPacket {
  return {
    op: OP_REQUEST,
    htype: 1,
    hops: 0,
    xid: 0x1234abcd,
    secs: 4,
    flags: 0,
    ciaddr: NO_ADDRESS,
    yiaddr: NO_ADDRESS,
    siaddr: NO_ADDRESS,
    giaddr: NO_ADDRESS,
    chaddr: Buffer.from(MAC.replaceAll(':', ''), 'hex'),
    sname: '',
    file: '',
    ...o,
    options: new Map([[option.messageType, Buffer.of(type)], ...options]),
  };
}

/** Real firmware's own packets (../golden/), the first DISCOVER or REQUEST of each. */
export const firmware = {
  ipxeBios: (type?: number) => said('bios-ipxe-rom', type),
  ovmfPxe: (type?: number) => said('ovmf-pxe', type),
  ovmfHttp: (type?: number) => said('ovmf-http', type),
  ipxeEfi: (type?: number) => said('efi-ipxe-rom', type),
};

function said(name: string, type: number = message.discover): DhcpPacket {
  const { datagrams } = readTalk(name);
  const { bytes } = datagrams.find((one) => one.isMachines && one.name === messageName(type))!;
  return decodePacket(bytes) as DhcpPacket;
}
