import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenToProbe } from '#agent/receive/probe-listener.ts';
import { sendProbe } from '#server/transfer/probe.ts';
import { systemClock } from '#system/clock.ts';

test('a listener counts the datagrams of a real probe and says how long they took', async () => {
  const order = { nonce: '0102030405060708', group: '239.192.79.77', port: 19_876, count: 200, listenMs: 30_000 };
  const { signal } = new AbortController();
  const isListening = Promise.withResolvers<void>();
  const listening = listenToProbe(order, 'lo', signal, isListening.resolve);
  await isListening.promise;
  await sendProbe(order, { address: '127.0.0.1', ttl: 1, mbit: 100, clock: systemClock }, signal);
  const { heard, of, spanMs } = await listening;
  assert.deepEqual([heard, of], [200, 200]);
  assert.ok(spanMs > 0, `${spanMs} ms`);
});
