import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { HostView } from '#protocol/admin/host-api.ts';
import { magicPacket, Waker } from '#server/inventory/wake.ts';
import type { Clock } from '#system/clock.ts';

const host: HostView = {
  hostId: 1,
  name: 'pc-01',
  approval: 'approved',
  macs: ['52:54:00:77:00:01', '52:54:00:77:00:02'],
  groups: [],
  presence: 'away',
};

const clock: Clock = { nowMs: () => 0, steadyMs: () => 0, sleep: async () => {} };
const options = { clock, secureOnOf: () => undefined, repeats: 1 };

test('a magic packet is six times FF, then the MAC sixteen times', () => {
  const packet = magicPacket('52:54:00:77:00:01');
  assert.equal(packet.toString('hex'), 'ff'.repeat(6) + '525400770001'.repeat(16));
  assert.equal(packet.length, 102);
});

test('a host is woken by one packet for each MAC, sent from the address of the interface', async (t) => {
  const listener = createSocket('udp4');
  t.after(() => listener.close());
  listener.bind(0, '0.0.0.0');
  await once(listener, 'listening');
  const heard = new Map<string, string>();
  const allHeard = new Promise<void>((resolve) => {
    listener.on('message', (packet, from) => {
      heard.set(packet.subarray(6, 12).toString('hex'), from.address);
      if (heard.size === 2) resolve();
    });
  });
  // Of the whole 127/8 the loopback's broadcast address is the only one that needs SO_BROADCAST.
  const network = { address: '127.0.0.1', broadcast: '127.255.255.255' };
  await new Waker(network, { ...options, port: listener.address().port }).wake(host);
  await allHeard;
  assert.deepEqual([...heard].sort(), [
    ['525400770001', '127.0.0.1'],
    ['525400770002', '127.0.0.1'],
  ]);
});

test('a packet is sent as often as the config says, with the SecureOn password of its host behind the MAC', async (t) => {
  const listener = createSocket('udp4');
  t.after(() => listener.close());
  listener.bind(0, '0.0.0.0');
  await once(listener, 'listening');
  const heard: string[] = [];
  const allHeard = new Promise<void>((resolve) => {
    listener.on('message', (packet) => {
      if (heard.push(packet.toString('hex')) === 3) resolve();
    });
  });
  const sleeps: number[] = [];
  const waker = new Waker(
    { address: '127.0.0.1', broadcast: '127.255.255.255' },
    {
      clock: { nowMs: () => 0, steadyMs: () => 0, sleep: async (ms) => void sleeps.push(ms) },
      secureOnOf: (hostId) => (hostId === 1 ? '00:11:22:33:44:55' : undefined),
      repeats: 3,
      port: listener.address().port,
    },
  );
  await waker.wake({ ...host, macs: ['52:54:00:77:00:01'] });
  await allHeard;
  const packet = `${'ff'.repeat(6)}${'525400770001'.repeat(16)}001122334455`;
  assert.deepEqual(heard, [packet, packet, packet]);
  assert.deepEqual(sleeps, [100, 100]);
});

test('a server without the address says so', async () => {
  await assert.rejects(new Waker({ address: '192.0.2.77', broadcast: '192.0.2.255' }, options).wake(host), {
    code: 'WAKE_FAILED',
    message: /No magic packet for pc-01 could be sent: .*EADDRNOTAVAIL/,
  });
});
