/** Requests as firmware sends them: captured here (golden/) or transcribed from shared/facts/virtual-lab.md, as each says. */
import { readFileSync } from 'node:fs';
import { NO_ADDRESS } from '#server/boot/dhcp/address.ts';
import { message, option } from '#server/boot/dhcp/option.ts';
import { type DhcpPacket, FLAG_BROADCAST, OP_REQUEST } from '#server/boot/dhcp/packet.ts';

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

const machineId: [number, Buffer] = [option.machineId, Buffer.from(WIRE_UUID, 'hex')];

/** Transcribed from the table in facts/virtual-lab.md: not a capture. */
export const firmware = {
  ipxeBios: (type: number = message.discover) =>
    request(type, {}, [
      [option.vendorClass, Buffer.from('PXEClient:Arch:00000:UNDI:002001')],
      [option.architecture, Buffer.of(0, 0)],
      [option.userClass, Buffer.from('iPXE')],
      [option.ipxe, Buffer.from('b10501af41000018010122010119010117010113010111010c0101', 'hex')],
      [option.clientId, Buffer.from(`01${MAC.replaceAll(':', '')}`, 'hex')],
      machineId,
    ]),
  ovmfPxe: (type: number = message.discover) =>
    request(type, { flags: FLAG_BROADCAST }, [
      [option.maxMessageSize, type === message.discover ? Buffer.of(0x05, 0xc0) : Buffer.of(0xff, 0x00)],
      [option.vendorClass, Buffer.from('PXEClient:Arch:00007:UNDI:003000')],
      [option.architecture, Buffer.of(0, 7)],
      machineId,
    ]),
  ovmfHttp: (type: number = message.discover) =>
    request(type, { flags: FLAG_BROADCAST }, [
      [option.vendorClass, Buffer.from('HTTPClient:Arch:00016:UNDI:003000')],
      [option.architecture, Buffer.of(0, 16)],
      machineId,
    ]),
  ipxeEfi: (type: number = message.discover) =>
    request(type, {}, [
      [option.vendorClass, Buffer.from('PXEClient')],
      [option.architecture, Buffer.of(0, 7)],
      [option.userClass, Buffer.from('iPXE')],
      [option.ipxe, Buffer.from('b10501af41000018010122010119010117010113010111010c0101', 'hex')],
      machineId,
    ]),
};
