import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesPerSecondOf } from '#server/sessions/pass-cost.ts';
import { chooseSetAside } from '#server/sessions/set-aside.ts';

const rule = { parkDelayPercent: 3 };
const GB = 1e9;

function aside(links: readonly (number | undefined)[], seenMbit?: number, castBytes = 12 * GB) {
  const paces = links.map((mbit) => (mbit === undefined ? undefined : bytesPerSecondOf(mbit)));
  const wire = {
    seenBytesPerSecond: seenMbit === undefined ? undefined : bytesPerSecondOf(seenMbit),
    promisedBytesPerSecond: bytesPerSecondOf(1000),
  };
  return chooseSetAside({ hostBytesPerSecond: paces, castBytes, wire }, rule);
}

test('one host of 100 Mbit among gigabit ones is set aside: the cast takes a tenth of the time', () => {
  const found = aside([1000, 100, 1000, undefined]);
  assert.deepEqual(found?.hosts, [1]);
  assert.ok(Math.abs(found!.withSeconds - 10 * found!.withoutSeconds) < 1e-6);
});

test('when half of the hosts gain less than the other half loses, all are cast to at the pace of the slow ones', () => {
  assert.equal(aside([100, 100, 100, 1000]), undefined, 'most hosts are slow: that is the pace of the room');
  assert.equal(aside([100, 100, 100, 100]), undefined);
  assert.equal(aside([500, 1000]), undefined, 'one gains as much as the other loses');
  assert.deepEqual(aside([500, 1000, 1000, 1000])?.hosts, [0]);
});

test('of several speeds the cut is made where all hosts together wait the least', () => {
  assert.deepEqual(aside([1000, 10, 1000, 100, 1000, 1000])?.hosts, [1, 3]);
  assert.deepEqual(aside([10, 900, 1000, 1000, 1000, 1000])?.hosts, [0]);
});

test('a network that has never been seen quicker than the slow link is not believed to be slow', () => {
  assert.deepEqual(aside([100, 1000, 1000, 1000], 94)?.hosts, [0], 'the same host may have held those passes back');
  assert.equal(aside([100, 1000, 1000, 1000], 121), undefined, 'the server gives 120 Mbit/s: one host is not worth it');
});

test('for a cast of a second, for the last host, and for hosts of which nothing is known nobody is set aside', () => {
  assert.equal(aside([100, 1000, 1000], undefined, 1e6), undefined);
  assert.equal(aside([100]), undefined);
  assert.equal(aside([undefined, undefined, undefined]), undefined);
});
