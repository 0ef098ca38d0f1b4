import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressMeter } from '#agent/receive/progress-meter.ts';
import type { Progress } from '#protocol/agent-api.ts';
import { HoleSet } from '#protocol/holes.ts';

test('progress tells the rate of the last seconds, not of the whole step', () => {
  let nowMs = 0;
  const said: Progress[] = [];
  const meter = new ProgressMeter(
    'receive',
    HoleSet.all(9),
    (progress) => said.push(progress),
    () => nowMs,
  );
  for (let second = 1; second <= 20; second++) {
    nowMs = second * 1000;
    meter.moved(second <= 10 ? 0 : (second - 10) * 1000, 20_000);
  }
  assert.deepEqual(said.at(-1), {
    phase: 'receive',
    doneBytes: 10_000,
    totalBytes: 20_000,
    bytesPerSecond: 1000,
    holes: 9,
  });
});

test('before any time has passed the rate is zero', () => {
  const said: Progress[] = [];
  const meter = new ProgressMeter(
    'verify',
    HoleSet.none(1),
    (progress) => said.push(progress),
    () => 5,
  );
  meter.moved(100, 50);
  assert.equal(said[0]?.bytesPerSecond, 0);
  assert.equal(said[0]?.totalBytes, 100);
});
