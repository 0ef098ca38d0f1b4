import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { type CastOrder, type Order, orderSchema } from '#protocol/agent-api.ts';
import { type TaskState, taskStates } from '#protocol/states.ts';
import type { SessionRow } from '#server/db/session-row.ts';
import type { TaskRow } from '#server/db/task-row.ts';
import { orderOfTask, releaseAction, releaseOrder, waitOrder } from '#server/sessions/orders.ts';

const defaults = { chunkBytes: 262_144, zstdLevel: 3 };
const disk = { model: 'm', serial: 's', sizeBytes: 1e9, sectorBytes: 512 };
const cast: CastOrder = {
  castId: '1-1',
  nonce: '00',
  portBase: 9000,
  startTimeoutS: 30,
  receiveTimeoutS: 30,
  frames: 1,
  bytes: 1,
};

function session(kind: 'deploy' | 'capture'): SessionRow {
  const request = { host: 'pc-1', image: 'win11', onDone: 'reboot', zstdLevel: 9 };
  return {
    sessionId: 1,
    kind,
    state: 'gathering',
    image: 'win11',
    manifestId: 'ab',
    request,
    isStartNow: false,
    passes: 0,
    createdMs: 0,
  } as unknown as SessionRow;
}

function task(state: TaskState, round = 1): TaskRow {
  return {
    taskId: 5,
    sessionId: 1,
    hostId: 2,
    host: 'pc-1',
    state,
    disk,
    wave: 1,
    number: 1,
    round,
    repairs: 0,
    hasWritten: false,
    stateMs: 0,
    isHashing: false,
    isDeaf: false,
    have: 0,
  };
}

function say(order: Order): string {
  assert.ok(Value.Check(orderSchema, order));
  return order.kind === 'deploy' ? order.step : order.kind;
}

test('each state of a deploy task has its step', () => {
  const steps = taskStates.map((state) => say(orderOfTask(session('deploy'), task(state), { cast, defaults })));
  assert.deepEqual(steps, [
    ...['wait', 'wait', 'prepare', 'hold', 'receive', 'repair', 'wait', 'verify', 'finish'],
    ...['wait', 'wait', 'wait'],
  ]);
});

test('a receiving task whose cast is gone holds', () => {
  assert.equal(say(orderOfTask(session('deploy'), task('receiving'), { cast: undefined, defaults })), 'hold');
});

test('a capture is ordered with its own level and the usual chunk size', () => {
  const order = orderOfTask(session('capture'), task('capturing'), { cast: undefined, defaults });
  assert.ok(order.kind === 'capture');
  assert.deepEqual([order.zstdLevel, order.chunkBytes], [9, 262_144]);
});

test('the same order has the same rev, another round, cast or session another one', () => {
  const rev = (round: number, given = cast) =>
    orderOfTask(session('deploy'), task('receiving', round), { cast: given, defaults }).rev;
  assert.equal(rev(1), rev(1));
  assert.notEqual(rev(1), rev(2));
  assert.notEqual(rev(1), rev(1, { ...cast, castId: '1-2' }));
  const captured = (round: number) =>
    orderOfTask(session('capture'), task('capturing', round), { cast: undefined, defaults }).rev;
  assert.notEqual(captured(1), captured(2));
  assert.equal(waitOrder().rev, waitOrder().rev);
  assert.notEqual(releaseOrder('reboot', 1).rev, releaseOrder('reboot', 2).rev);
});

test('a host that succeeded does as asked, one that failed stays, one that was cancelled reboots', () => {
  assert.equal(releaseAction('succeeded', { onDone: 'poweroff', onFailure: 'stay' }), 'poweroff');
  assert.equal(releaseAction('failed', { onDone: 'poweroff' }), 'stay');
  assert.equal(releaseAction('failed', { onDone: 'stay', onFailure: 'poweroff' }), 'poweroff');
  assert.equal(releaseAction('cancelled', { onDone: 'stay', onFailure: 'stay' }), 'reboot');
  assert.equal(releaseAction('cancelled', { onDone: 'poweroff', onFailure: 'stay' }), 'poweroff');
});

test('new ids are asked for when the table is laid, and at no other step', () => {
  const deployment = session('deploy');
  const row = { ...deployment, request: { ...deployment.request, newIds: true } } as SessionRow;
  const asked = taskStates.filter((state) => 'newIds' in orderOfTask(row, task(state), { cast, defaults }));
  assert.deepEqual(asked, ['finishing']);
  assert.ok(!('newIds' in orderOfTask(deployment, task('finishing'), { cast, defaults })));
});

test('a deployment that is not to be verified activates nothing either', () => {
  const deployment = session('deploy');
  const row = { ...deployment, request: { ...deployment.request, verify: 'none' } } as SessionRow;
  const asked = taskStates.filter((state) => 'unchecked' in orderOfTask(row, task(state), { cast, defaults }));
  assert.deepEqual(asked, ['finishing']);
  assert.ok(!('unchecked' in orderOfTask(deployment, task('finishing'), { cast, defaults })));
});
