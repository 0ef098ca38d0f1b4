import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { message, option } from '#server/boot/dhcp/option.ts';
import { type DhcpPacket, decodePacket, encodePacket, macOf, messageTypeOf } from '#server/boot/dhcp/packet.ts';
import { capture, firmware, request } from './requests.ts';

function read(bytes: Buffer): DhcpPacket {
  const packet = decodePacket(bytes);
  assert.ok(typeof packet !== 'string', String(packet));
  return packet;
}

/** A packet with these bytes as its options. */
function withOptions(...options: number[]): Buffer {
  return Buffer.concat([encodePacket(request(message.discover))!.subarray(0, 240), Buffer.from(options)]);
}

test('the DISCOVER of busybox udhcpc is read', () => {
  const packet = read(capture('udhcpc-discover'));
  assert.equal(messageTypeOf(packet), message.discover);
  assert.equal(macOf(packet), '52:54:00:77:01:02');
  assert.match(packet.options.get(option.vendorClass)!.toString(), /^udhcp 1\.3/);
  assert.equal(packet.options.get(option.maxMessageSize)!.readUInt16BE(0), 576);
});

test('the DISCOVER of dhclient is read', () => {
  const packet = read(capture('dhclient-discover'));
  assert.equal(messageTypeOf(packet), message.discover);
  assert.equal(macOf(packet), '52:54:00:77:01:02');
  assert.ok(packet.options.get(option.parameterList)!.includes(option.router));
});

test('every packet comes back as it was written', () => {
  const text = (maxLength: number) =>
    fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)), maxLength });
  const code = fc.integer({ min: 1, max: 254 }).filter((one) => one !== option.overload);
  const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
  const number = fc.integer({ min: 0, max: 0xffff_ffff });
  const packets = fc.record({
    op: fc.constantFrom(1, 2),
    htype: fc.integer({ min: 0, max: 255 }),
    hops: fc.integer({ min: 0, max: 255 }),
    xid: number,
    secs: fc.integer({ min: 0, max: 65535 }),
    flags: fc.integer({ min: 0, max: 65535 }),
    ciaddr: number,
    yiaddr: number,
    siaddr: number,
    giaddr: number,
    chaddr: bytes(16),
    sname: fc.oneof(fc.constant(''), text(64)),
    file: fc.oneof(fc.constant(''), text(128)),
    options: fc.array(fc.tuple(code, bytes(600)), { maxLength: 8 }).map((list) => new Map(list)),
  });
  let written = 0;
  fc.assert(
    fc.property(packets, (packet) => {
      const bytes = encodePacket(packet, 1472);
      if (bytes === undefined) return;
      written++;
      const back = read(bytes);
      const relayLast = [...packet.options].sort(([a], [b]) => a - b);
      assert.deepEqual(
        { ...back, options: [...back.options].sort(([a], [b]) => a - b) },
        { ...packet, options: relayLast },
      );
    }),
    { numRuns: 300 },
  );
  assert.ok(written > 100);
});

test('no bytes at all make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.boolean(), (bytes, hasHead) => {
      const head = encodePacket(request(message.discover))!.subarray(0, 240);
      decodePacket(Buffer.concat(hasHead ? [head, bytes] : [bytes]));
    }),
    { numRuns: 2000 },
  );
});

test('an option longer than 255 bytes is cut and put together again', () => {
  const data = Buffer.alloc(300, 'x');
  const bytes = encodePacket(request(message.discover, {}, [[option.bootFile, data]]), 1472)!;
  assert.deepEqual([...bytes.subarray(243, 245)], [option.bootFile, 255]);
  assert.deepEqual(read(bytes).options.get(option.bootFile), data);
});

test('what does not fit into the options goes into file and sname, and option 82 stays last', () => {
  const relay = Buffer.from('0104706f7274', 'hex');
  const options: [number, Buffer][] = [
    [option.relayAgent, relay],
    [option.vendorSpecific, Buffer.alloc(250, 1)],
    [option.bootFile, Buffer.alloc(100, 2)],
    [option.domain, Buffer.alloc(40, 3)],
  ];
  const bytes = encodePacket(request(message.offer, {}, options))!;
  assert.ok(bytes.length <= 548);
  assert.deepEqual(
    bytes.subarray(bytes.lastIndexOf(option.relayAgent), bytes.lastIndexOf(option.relayAgent) + 8),
    Buffer.concat([Buffer.of(82, 6), relay]),
  );
  assert.deepEqual([...bytes.subarray(108, 110)], [option.bootFile, 100]);
  const back = read(bytes);
  assert.deepEqual([...back.options.keys()].sort(), [15, 43, 53, 67, 82].sort());
  assert.equal(back.file, '');
});

test('what fits nowhere is not written', () => {
  assert.equal(encodePacket(request(message.offer, { file: 'f', sname: 's' }, [[67, Buffer.alloc(400)]])), undefined);
  assert.equal(encodePacket(request(message.offer, { file: 'x'.repeat(129) })), undefined);
});

test('pads are skipped, and a missing end or an option beyond the packet is a fault', () => {
  assert.equal(messageTypeOf(read(withOptions(0, 0, 53, 1, 3, 0, 255))), 3);
  assert.equal(decodePacket(withOptions(53, 1, 3)), 'no-end');
  assert.equal(decodePacket(withOptions(53, 9, 3, 255)), 'option-overrun');
  assert.equal(decodePacket(withOptions(53)), 'option-overrun');
  assert.equal(decodePacket(withOptions(52, 1, 4, 255)), 'bad-overload');
  assert.equal(decodePacket(withOptions(52, 0, 255)), 'bad-overload');
});

test('the faults of the fixed part are told apart', () => {
  const good = encodePacket(firmware.ovmfPxe())!;
  const change = (at: number, value: number) => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    return decodePacket(bytes);
  };
  assert.equal(decodePacket(good.subarray(0, 239)), 'short');
  assert.equal(change(0, 3), 'bad-op');
  assert.equal(change(2, 17), 'bad-hlen');
  assert.equal(change(236, 0), 'no-cookie');
});

test('a message type of another length than one counts as none', () => {
  assert.equal(messageTypeOf(read(withOptions(53, 2, 1, 1, 255))), undefined);
  assert.equal(messageTypeOf(read(withOptions(53, 1, 1, 53, 1, 1, 255))), undefined);
});
