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
    [],
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
    [],
    () => 5,
  );
  meter.moved(100, 50);
  assert.equal(said[0]?.bytesPerSecond, 0);
  assert.equal(said[0]?.totalBytes, 100);
});

test('of several that work at the same time it tells the sums, and what the admin should know', () => {
  const said: Progress[] = [];
  const warnings: string[] = [];
  const meter = new ProgressMeter('verify', HoleSet.none(1), (progress) => said.push(progress), warnings);
  const [first, second] = meter.shares(2);
  first!.moved(10, 100);
  warnings.push('a disk has failed');
  second!.moved(20, 200);
  first!.moved(40, 100);
  assert.deepEqual([said[0]!.doneBytes, said[0]!.warnings], [10, undefined]);
  const { doneBytes, totalBytes, warnings: told } = said.at(-1)!;
  assert.deepEqual([doneBytes, totalBytes, told], [60, 300, ['a disk has failed']]);
});
