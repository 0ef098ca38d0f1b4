import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { magicPacket } from '#server/inventory/wake.ts';

test('our magic packet is the one that the npm package node-wol makes', () => {
  const oracle = createRequire(import.meta.url)('node-wol') as { createMagicPacket(mac: string): Buffer };
  assert.deepEqual(
    magicPacket('52:54:00:77:00:01', '00:11:22:33:44:55'),
    Buffer.concat([oracle.createMagicPacket('52:54:00:77:00:01'), Buffer.from('001122334455', 'hex')]),
    'node-wol knows no SecureOn: its packet and the password behind',
  );
  assert.deepEqual(magicPacket('52:54:00:77:00:01'), Buffer.from(oracle.createMagicPacket('52:54:00:77:00:01')));
});
