import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HoleSet } from '#protocol/holes.ts';
import { isPassWorth, PASS_WORTH_BYTES, sharedOf, unionOf } from '#server/sessions/pass-plan.ts';

const COUNT = 77;

function holesOf(ordinals: Iterable<number>): HoleSet {
  const holes = HoleSet.none(COUNT);
  for (const ordinal of ordinals) holes.add(ordinal);
  return holes;
}

const lists = fc.array(fc.uniqueArray(fc.nat(COUNT - 1)), { maxLength: 6 });

test('a first pass carries what any host lacks, a later one what at least two lack', () => {
  fc.assert(
    fc.property(lists, (hosts) => {
      const sets = hosts.map(holesOf);
      const holders = (ordinal: number) => hosts.filter((one) => one.includes(ordinal)).length;
      const all = Array.from({ length: COUNT }, (_, ordinal) => ordinal);
      assert.deepEqual(
        [...unionOf(sets, COUNT)],
        all.filter((ordinal) => holders(ordinal) > 0),
      );
      assert.deepEqual(
        [...sharedOf(sets, COUNT)],
        all.filter((ordinal) => holders(ordinal) > 1),
      );
    }),
  );
});

test('another pass is worth it when it saves enough against serving every hole alone', () => {
  const bytes = PASS_WORTH_BYTES / 10;
  assert.equal(isPassWorth([holesOf([0, 1, 2, 3, 4]), holesOf([0, 1, 2, 3, 4])], COUNT, bytes), false);
  const ten = [...Array(10).keys()];
  assert.equal(isPassWorth([holesOf(ten), holesOf(ten)], COUNT, bytes), true);
  assert.equal(isPassWorth([holesOf(ten)], COUNT, bytes), false);
  assert.equal(isPassWorth([holesOf(ten), holesOf([20, 21])], COUNT, bytes), false);
  assert.equal(
    isPassWorth(
      Array.from({ length: 6 }, () => holesOf([1, 2])),
      COUNT,
      bytes,
    ),
    true,
  );
});
