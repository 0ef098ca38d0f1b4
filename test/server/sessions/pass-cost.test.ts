import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CastView } from '#protocol/admin/session-api.ts';
import { HoleSet } from '#protocol/holes.ts';
import {
  costOfRepair,
  countLacking,
  isPassWorth,
  type Lacking,
  measurePasses,
  type PassRates,
} from '#server/sessions/pass-cost.ts';

/** A gigabit line, chunks of 1 MB. */
const rates = (hosts: number, more: Partial<PassRates> = {}): PassRates => ({
  bytesPerChunk: 1e6,
  gatherSeconds: 4,
  castBytesPerSecond: 100e6,
  lineBytesPerSecond: 100e6,
  hostBytesPerSecond: Array(hosts).fill(100e6),
  ...more,
});

/** `hosts` hosts that lack the same chunks. */
const same = (hosts: number, chunks: number): Lacking => ({
  shared: chunks,
  hosts: Array(hosts).fill({ all: chunks, alone: 0 }),
});

test('a pass is worth it from the chunk on whose copies over HTTP take longer than gathering for it', () => {
  // Two hosts: 4 s + n/100 s against 2n/100 s.
  assert.equal(isPassWorth(same(2, 400), rates(2)), false);
  assert.equal(isPassWorth(same(2, 401), rates(2)), true);
  // Forty-two: 4 s + n/100 s against 42n/100 s.
  assert.equal(isPassWorth(same(42, 9), rates(42)), false);
  assert.equal(isPassWorth(same(42, 10), rates(42)), true);
});

test('a pass that gathers slowly must save more', () => {
  assert.equal(isPassWorth(same(2, 401), rates(2, { gatherSeconds: 15 })), false);
  assert.equal(isPassWorth(same(2, 401), rates(2, { gatherSeconds: 0.5 })), true);
});

test('a cast that is paced by a slow receiver loses to HTTP on a quick line', () => {
  assert.equal(isPassWorth(same(4, 5000), rates(4, { castBytesPerSecond: 10e6 })), false);
  assert.equal(isPassWorth(same(4, 5000), rates(4, { castBytesPerSecond: 50e6 })), true);
});

test('a host with a slow link of its own needs that time over HTTP, whatever the line gives', () => {
  const cost = costOfRepair(same(2, 100), rates(2, { hostBytesPerSecond: [100e6, 10e6] }));
  assert.equal(cost.httpSeconds, 10);
});

test('what one host lacks alone is fetched over HTTP on both roads', () => {
  const lacking: Lacking = {
    shared: 0,
    hosts: [
      { all: 90_000, alone: 90_000 },
      { all: 1, alone: 1 },
    ],
  };
  assert.equal(isPassWorth(lacking, rates(2, { gatherSeconds: 0 })), false);
  const cost = costOfRepair(
    {
      shared: 10,
      hosts: [
        { all: 310, alone: 300 },
        { all: 10, alone: 0 },
      ],
    },
    rates(2),
  );
  assert.ok(Math.abs(cost.passSeconds - 7.1) < 1e-9, 'gathering, ten chunks cast, three hundred fetched');
  assert.ok(Math.abs(cost.httpSeconds - 3.2) < 1e-9);
});

test('nobody, or one host alone, never calls for a pass', () => {
  assert.equal(isPassWorth({ shared: 0, hosts: [] }, rates(0)), false);
  assert.equal(isPassWorth({ shared: 0, hosts: [{ all: 1e6, alone: 1e6 }] }, rates(1, { gatherSeconds: 0 })), false);
});

test('more hosts that lack the same never make a pass less worth', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 400 }), fc.nat(5000), fc.nat(60), (hosts, chunks, gatherSeconds) => {
      const less = isPassWorth(same(hosts, chunks), rates(hosts, { gatherSeconds }));
      const more = isPassWorth(same(hosts + 1, chunks), rates(hosts + 1, { gatherSeconds }));
      assert.ok(more || !less);
    }),
  );
});

test('shared chunks and those of one host alone are counted', () => {
  const holes = [[1, 2, 3], [3, 4], [4]].map((ordinals) => {
    const set = HoleSet.none(9);
    for (const ordinal of ordinals) set.add(ordinal);
    return set;
  });
  assert.deepEqual(countLacking(holes, 9), {
    shared: 2,
    hosts: [
      { all: 3, alone: 2 },
      { all: 2, alone: 0 },
      { all: 1, alone: 0 },
    ],
  });
});

test('the last pass that began tells how long gathering takes, the last one of some size how fast a cast is', () => {
  const cast = (more: Partial<CastView>): CastView => ({
    ...{ castId: '1-1', pass: 1, receivers: 2, frames: 1, bytes: 1, sentBytes: 1, startedAtMs: 1000 },
    ...more,
  });
  assert.deepEqual(measurePasses([]), {});
  assert.deepEqual(measurePasses([cast({ endedAtMs: 9000 })]), {});
  const big = cast({ firstByteAtMs: 4000, endedAtMs: 14_000, sentBytes: 100e6 });
  const small = cast({ firstByteAtMs: 3000, endedAtMs: 3100, sentBytes: 1000 });
  assert.deepEqual(measurePasses([big, small]), { gatherSeconds: 2, castBytesPerSecond: 10e6 });
});
