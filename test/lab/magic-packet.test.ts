import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMagicPacketFor } from '#lab/magic-packet.ts';

const mac = '52:54:00:77:00:0a';
const address = Buffer.from('52540077000a', 'hex');
const magic = Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => address)]);

test('a card wakes at its own magic packet, wherever it stands in the payload', () => {
  assert.equal(isMagicPacketFor(magic, mac), true);
  assert.equal(isMagicPacketFor(Buffer.concat([Buffer.from('noise'), magic, Buffer.alloc(6)]), mac), true);
});

test('a card sleeps on at the packet of another card, and at a short one', () => {
  assert.equal(isMagicPacketFor(magic, '52:54:00:77:00:0b'), false);
  assert.equal(isMagicPacketFor(magic.subarray(0, -1), mac), false);
});
