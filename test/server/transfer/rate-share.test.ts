import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pacer, RateShare, shareRate } from '#server/transfer/rate-share.ts';

/** No time passes. */
const still = { steadyMs: () => 0 };

test('casts share an interface by weight, and what one may not use is the others’', () => {
  assert.deepEqual(shareRate(400, [{ weight: 1 }, { weight: 3 }]), [100, 300]);
  assert.deepEqual(shareRate(400, [{ weight: 1 }, { weight: 3, maxMbit: 100 }]), [300, 100]);
  assert.deepEqual(
    shareRate(300, [{ weight: 1, maxMbit: 50 }, { weight: 1, maxMbit: 120 }, { weight: 1 }]),
    [50, 120, 130],
  );
  assert.deepEqual(shareRate(100, [{ weight: 2, maxMbit: 900 }]), [100]);
  assert.deepEqual(shareRate(100, []), []);
});

test('a cast that begins or ends changes the rate of those that run', () => {
  const share = new RateShare(() => ({ mbit: 400, isCap: true }), still);
  const one = share.join({ weight: 1 });
  assert.equal(one.mbit(), 400);
  const two = share.join({ weight: 1 });
  assert.deepEqual([one.mbit(), two.mbit()], [200, 200]);
  one.leave();
  assert.equal(two.mbit(), 400);
  assert.equal(new RateShare(() => undefined, still).join({ weight: 1 }).mbit(), undefined);
});

test('a lone cast is held to a cap, and not to what the cable is said to carry', () => {
  const share = new RateShare(() => ({ mbit: 950, isCap: false }), still);
  const one = share.join({ weight: 1 });
  assert.equal(one.mbit(), undefined);
  const two = share.join({ weight: 4 });
  assert.deepEqual([one.mbit(), two.mbit()], [190, 760]);
  two.leave();
  assert.equal(one.mbit(), undefined);
});

test('what a cast does not use is the others’, and it has its part again as soon as it takes it', () => {
  let nowMs = 0;
  const share = new RateShare(() => ({ mbit: 400, isCap: true }), { steadyMs: () => nowMs });
  const [slow, quick] = [share.join({ weight: 1 }), share.join({ weight: 1 })];
  const taken = { slow: 0, quick: 0 };
  const passSecond = (slowMbit: number, quickMbit: number) => {
    nowMs += 1000;
    taken.slow += slowMbit * 125_000;
    taken.quick += quickMbit * 125_000;
    slow.took(taken.slow);
    quick.took(taken.quick);
  };
  passSecond(80, 200);
  assert.deepEqual([slow.mbit(), quick.mbit()], [200, 300], 'a quarter more than it uses is kept for it');
  passSecond(190, 300);
  assert.deepEqual([slow.mbit(), quick.mbit()], [200, 200]);
});

test('a cast that waits for its hosts and takes nothing leaves all to the others', () => {
  let nowMs = 0;
  const share = new RateShare(() => ({ mbit: 400, isCap: true }), { steadyMs: () => nowMs });
  const [waiting, quick] = [share.join({ weight: 3 }), share.join({ weight: 1 })];
  assert.deepEqual([waiting.mbit(), quick.mbit()], [300, 100]);
  nowMs = 2000;
  quick.took(25e6);
  assert.deepEqual([waiting.mbit(), quick.mbit()], [300, 400]);
});

test('a feed is held to its rate, also when the rate changes, and saves up no more than a burst', async () => {
  let nowMs = 0;
  const clock = {
    nowMs: () => assert.fail('a clock that may be set says nothing about a rate'),
    steadyMs: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
  };
  let mbit: number | undefined = 8;
  const pacer = new Pacer(clock, () => mbit);
  const takeFor = async (untilMs: number): Promise<number> => {
    let bytes = 0;
    for (; nowMs < untilMs; bytes += 1000) await pacer.take(1000, new AbortController().signal);
    return bytes;
  };
  const near = (bytes: number, wanted: number) => assert.ok(Math.abs(bytes - wanted) < 50_000, `${bytes} bytes`);
  near(await takeFor(1000), 1e6);
  mbit = 16;
  near(await takeFor(2000), 2e6);
  nowMs = 10_000;
  near(await takeFor(11_000), 2e6);
  mbit = undefined;
  await pacer.take(1e12, new AbortController().signal);
  assert.ok(nowMs < 11_010);
});
