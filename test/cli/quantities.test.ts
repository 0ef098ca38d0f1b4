import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChunkSize } from '#cli/chunk-size.ts';
import { formatDuration, parseDuration } from '#cli/duration.ts';
import { collectNames } from '#cli/name-list.ts';
import { parseRate } from '#cli/rate.ts';
import { formatBytes, percentOf } from '#cli/size.ts';

test('sizes are in powers of ten and never print as 1000 of a unit', () => {
  const sizes = [0, 999, 1000, 999_949, 999_950, 256_060_514_304, 1e15, 5e18];
  const texts = ['0 B', '999 B', '1.0 kB', '999.9 kB', '1.0 MB', '256.1 GB', '1.0 PB', '5000.0 PB'];
  assert.deepEqual(sizes.map(formatBytes), texts);
});

test('a percentage is 100 only when all is done', () => {
  assert.equal(percentOf(999_999, 1_000_000), 99);
  assert.equal(percentOf(1_000_000, 1_000_000), 100);
  assert.equal(percentOf(0, 0), undefined);
});

test('a duration needs its unit', () => {
  assert.deepEqual(['90s', '10m', '1h30m', '2h5s'].map(parseDuration), [90, 600, 5400, 7205]);
  for (const text of ['', '10', '0s', 'm', '10 m', '1d', '5m1h', '-5m']) assert.equal(parseDuration(text), undefined);
});

test('durations print in two units at the most', () => {
  assert.deepEqual([0, 45.4, 59.6, 200, 3600, 3900, 187_200].map(formatDuration), [
    ...['0s', '45s', '1m00s', '3m20s', '1h00m', '1h05m', '2d4h'],
  ]);
});

test('a rate is in Mbit/s unless it says Gbit/s', () => {
  assert.deepEqual(['300', '300M', '2.5G', '1gbit', '0.5'].map(parseRate), [300, 300, 2500, 1000, 0.5]);
  for (const text of ['0', 'fast', '-5', '10MB', '']) assert.throws(() => parseRate(text), { code: 'USAGE' });
});

test('a chunk size is a power of two from 64K to 4M', () => {
  assert.deepEqual(
    ['64K', '256k', '1M', '4MiB', '262144'].map(parseChunkSize),
    [65_536, 262_144, 1_048_576, 4_194_304, 262_144],
  );
  for (const text of ['32K', '8M', '300K', '1G', 'big']) assert.throws(() => parseChunkSize(text), { code: 'USAGE' });
});

test('names of several occurrences and commas make one list', () => {
  assert.deepEqual(collectNames('pc-3', collectNames('pc-1, pc-2,', undefined)), ['pc-1', 'pc-2', 'pc-3']);
});
