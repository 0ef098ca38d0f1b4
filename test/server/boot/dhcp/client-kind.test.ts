import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identifyClient, readMachineId } from '#server/boot/dhcp/client-kind.ts';
import { message, option } from '#server/boot/dhcp/option.ts';
import { type DhcpPacket, decodePacket } from '#server/boot/dhcp/packet.ts';
import { capture, MAC, request, UUID, WIRE_UUID } from './requests.ts';

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
