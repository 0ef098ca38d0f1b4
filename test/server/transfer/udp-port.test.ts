import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { isUdpPortFree } from '#server/transfer/udp-port.ts';

test('a port that a program has on any address is not free, and it is as soon as that has ended', async () => {
  const other = createSocket('udp4');
  other.bind({ address: '0.0.0.0', port: 0, exclusive: true });
  await once(other, 'listening');
  const { port } = other.address();
  assert.equal(await isUdpPortFree('127.0.0.1', port), false);
  other.close();
  await once(other, 'close');
  assert.equal(await isUdpPortFree('127.0.0.1', port), true);
});
