import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bufferBytesFor } from '#agent/receive/buffer-size.ts';
import { isPressing, StreamGauge } from '#agent/receive/stream-gauge.ts';

const MIB = 1024 * 1024;

test('the time in which nothing could be read is counted, also while it lasts', async () => {
  let nowMs = 0;
  const buffer = { bufferBytes: 100, queuedBytes: 100 };
  const gauge = new StreamGauge(buffer, () => nowMs);
  gauge.received(150);
  const room = Promise.withResolvers<string>();
  const waiting = gauge.stalled(room.promise);
  nowMs = 400;
  assert.deepEqual(gauge.read(), { receivedBytes: 150, queuedBytes: 100, bufferBytes: 100, stalledMs: 400 });
  nowMs = 700;
  room.resolve('slab');
  assert.equal(await waiting, 'slab');
  nowMs = 5000;
  assert.equal(gauge.read().stalledMs, 700);
});

test('passing a half and three quarters of the buffer upwards is pressing, and nothing else is', () => {
  const at = (queuedBytes: number) => ({ receivedBytes: 0, queuedBytes, bufferBytes: 100, stalledMs: 0 });
  assert.equal(isPressing(undefined, at(50)), true);
  assert.equal(isPressing(at(49), at(50)), true);
  assert.equal(isPressing(at(50), at(74)), false);
  assert.equal(isPressing(at(74), at(90)), true);
  assert.equal(isPressing(at(90), at(20)), false);
  assert.equal(isPressing(at(90), undefined), false);
});

test('a quarter of the free memory is lent, at least 16 MiB and at most 512', () => {
  assert.equal(bufferBytesFor(20 * MIB), 16 * MIB);
  assert.equal(bufferBytesFor(240 * MIB), 60 * MIB);
  assert.equal(bufferBytesFor(64_000 * MIB), 512 * MIB);
});
