import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queryFrom } from '#server/boot/igmp-querier.ts';

/** An IPv4 packet with the option Router Alert, as IGMP must have it (RFC 3376, 4), and the message behind it. */
function packet(type: number, protocol = 2): Buffer {
  const header = Buffer.from('46c000240000400001020000c0a80001efc04f0794040000', 'hex');
  header[9] = protocol;
  return Buffer.concat([header, Buffer.from([type, 10, 0, 0, 239, 192, 79, 7, 2, 125, 0, 0])]);
}

test('an IGMP query tells its sender; reports, other protocols and fragments of packets do not', () => {
  assert.equal(queryFrom(packet(0x11)), '192.168.0.1');
  assert.equal(queryFrom(packet(0x22)), undefined);
  assert.equal(queryFrom(packet(0x11, 17)), undefined);
  assert.equal(queryFrom(packet(0x11).subarray(0, 26)), undefined);
  assert.equal(queryFrom(Buffer.alloc(0)), undefined);
});
