import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideWindow, lastCallOf } from '#server/schedules/window.ts';

const untilMs = 1_000_000_000;
const lastCallMs = lastCallOf(untilMs, 600);
const step = (nowMs: number, graceS = 3600) => decideWindow({ nowMs, lastCallMs, untilMs, graceS });

test('the last call comes the expected time and a quarter of it before the end', () => {
  assert.equal(lastCallMs, untilMs - 750_000);
});

test('from the last call on no host begins, and when the grace is over those that write are stopped', () => {
  assert.equal(step(lastCallMs - 1), 'nothing');
  assert.equal(step(lastCallMs), 'last-call');
  assert.equal(step(untilMs + 3_600_000 - 1), 'last-call');
  assert.equal(step(untilMs + 3_600_000), 'stop');
  assert.equal(step(untilMs, 0), 'stop');
});

test('without a window nothing is ever closed', () => {
  assert.equal(decideWindow({ nowMs: Number.MAX_SAFE_INTEGER, graceS: 0 }), 'nothing');
});
