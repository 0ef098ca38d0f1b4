import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSameWork } from '#agent/orders/order.ts';
import type { CastOrder, DeployOrder } from '#protocol/agent-api.ts';

const cast: CastOrder = {
  castId: '5-1',
  nonce: '0102030405060708',
  portBase: 9000,
  startTimeoutS: 30,
  receiveTimeoutS: 30,
  frames: 1,
  bytes: 1,
};
const order: DeployOrder = {
  kind: 'deploy',
  rev: 'a',
  taskId: 1,
  sessionId: 1,
  manifestId: 'ff',
  disk: { model: '', serial: '', sizeBytes: 1, sectorBytes: 512 },
  step: 'receive',
  round: 2,
  cast,
};

test('an order with a new rev for the same step lets the work go on', () => {
  assert.ok(isSameWork(order, { ...order, rev: 'b' }));
});

test('another task, image, step, round or cast is other work', () => {
  for (const changed of [
    { taskId: 2 },
    { manifestId: 'ee' },
    { step: 'hold' as const },
    { round: 3 },
    { cast: { ...cast, castId: '5-2' } },
  ]) {
    assert.ok(!isSameWork(order, { ...order, ...changed }));
  }
  assert.ok(!isSameWork(order, { kind: 'wait', rev: 'a' }));
});
