import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identifyClient, readMachineId } from '#server/boot/dhcp/client-kind.ts';
import { message, option } from '#server/boot/dhcp/option.ts';
import { type DhcpPacket, decodePacket } from '#server/boot/dhcp/packet.ts';
import { capture, firmware, MAC, request, UUID, WIRE_UUID } from './requests.ts';

test('each firmware is known for what it is', () => {
  const kinds = Object.entries(firmware).map(([name, make]) => [name, identifyClient(make(), MAC)]);
  const common = { mac: MAC, uuid: UUID };
  assert.deepEqual(Object.fromEntries(kinds), {
    ipxeBios: { ...common, arch: 0, firmware: 'bios', isIpxe: true, isHttp: false },
    ovmfPxe: { ...common, arch: 7, firmware: 'uefi-x64', isIpxe: false, isHttp: false },
    ovmfHttp: { ...common, arch: 16, firmware: 'uefi-x64', isIpxe: false, isHttp: true },
    ipxeEfi: { ...common, arch: 7, firmware: 'uefi-x64', isIpxe: true, isHttp: false },
  });
});

test('operating systems are no boot clients, unless they say so', () => {
  const read = (name: Parameters<typeof capture>[0]) => decodePacket(capture(name)) as DhcpPacket;
  assert.equal(identifyClient(read('udhcpc-discover'), MAC), undefined);
  assert.equal(identifyClient(read('dhclient-discover'), MAC), undefined);
  assert.equal(identifyClient(read('udhcpc-pxe-discover'), MAC)?.firmware, 'uefi-x64');
});

test('iPXE is known by a user class as RFC 3004 writes it, too', () => {
  const packet = request(message.discover, {}, [
    [option.vendorClass, Buffer.from('PXEClient')],
    [option.architecture, Buffer.of(0, 11)],
    [option.userClass, Buffer.from('\x04iPXE')],
  ]);
  assert.deepEqual(identifyClient(packet, MAC), {
    mac: MAC,
    arch: 11,
    firmware: 'uefi-arm64',
    isIpxe: true,
    isHttp: false,
  });
});

test('the UUID is turned from the wire, and another type or length is none', () => {
  assert.equal(readMachineId(Buffer.from(WIRE_UUID, 'hex')), UUID);
  assert.equal(readMachineId(Buffer.from(`01${WIRE_UUID.slice(2)}`, 'hex')), undefined);
  assert.equal(readMachineId(Buffer.alloc(16)), undefined);
});
