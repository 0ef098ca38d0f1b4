import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressMeter } from '#agent/receive/progress-meter.ts';
import { readBack } from '#agent/receive/read-back.ts';
import { knownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import { makeSampleImage } from './sample-image.ts';

const { manifest } = makeSampleImage();

/** Reads with workers that find `wrong`, or cannot read the batch that holds the chunk `unreadable`. */
function read(o: { holes: HoleSet; unverified: HoleSet; wrong?: number[]; unreadable?: number; fail?: boolean }) {
  const asked: [from: number, to: number][] = [];
  const verify = async (from: number, to: number) => {
    asked.push([from, to]);
    if (o.unreadable !== undefined && from <= o.unreadable && o.unreadable < to) {
      throw knownError('DISK_READ_FAILED', { disk: '/dev/sda', offset: 0, reason: 'EIO' });
    }
    return (o.wrong ?? []).filter((ordinal) => from <= ordinal && ordinal < to);
  };
  const meter = new ProgressMeter('hash', o.holes, () => undefined);
  const { holes, unverified } = o;
  const unreadable = o.fail === true ? 'fail' : 'wrong';
  const signal = new AbortController().signal;
  const ended = readBack({ manifest, workers: { verify, count: 1 }, unverified, holes, unreadable, meter, signal });
  return { asked, ended };
}

function setOf(ordinals: readonly number[]): HoleSet {
  const set = HoleSet.none(manifest.chunkCount);
  for (const ordinal of ordinals) set.add(ordinal);
  return set;
}

test('only what is not verified is read, neighbours together', async () => {
  const unverified = setOf([1, 2, 3, 7]);
  const { asked, ended } = read({ holes: setOf([]), unverified, wrong: [2] });
  await ended;
  assert.deepEqual(asked, [
    [1, 4],
    [7, 8],
  ]);
  assert.deepEqual([...unverified], [2]);
});

test('a wrong chunk becomes a hole, a right one is none any more', async () => {
  const holes = setOf([1, 2]);
  await read({ holes, unverified: setOf([1, 2, 3]), wrong: [2, 3] }).ended;
  assert.deepEqual([...holes], [2, 3]);
});

test('what cannot be read while hashing is lacking: the write that follows may heal it', async () => {
  const holes = setOf([4, 5, 9]);
  await read({ holes, unverified: setOf([4, 5, 9]), unreadable: 5 }).ended;
  assert.deepEqual([...holes], [4, 5]);
});

test('what cannot be read back after writing fails the host', async () => {
  const holes = setOf([]);
  await assert.rejects(read({ holes, unverified: setOf([4]), unreadable: 4, fail: true }).ended, {
    code: 'DISK_READ_FAILED',
  });
});
