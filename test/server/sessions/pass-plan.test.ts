import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HoleSet } from '#protocol/holes.ts';
import { chunksToCast, sharedOf, unionOf } from '#server/sessions/pass-plan.ts';

const COUNT = 77;

function holesOf(ordinals: Iterable<number>): HoleSet {
  const holes = HoleSet.none(COUNT);
  for (const ordinal of ordinals) holes.add(ordinal);
  return holes;
}

const lists = fc.array(fc.uniqueArray(fc.nat(COUNT - 1)), { maxLength: 6 });

test('the union is what any host lacks, the shared chunks are what at least two lack', () => {
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

test('the first pass to a host that has nothing carries the image, every other pass what several lack', () => {
  const all = holesOf(Array(COUNT).keys());
  const [one, other] = [holesOf([1, 2, 3]), holesOf([3, 4])];
  assert.equal(chunksToCast(1, [all], COUNT).count, COUNT);
  assert.equal(chunksToCast(1, [all, one], COUNT).count, COUNT);
  assert.deepEqual([...chunksToCast(2, [all, one], COUNT)], [1, 2, 3]);
  assert.deepEqual([...chunksToCast(1, [one, other], COUNT)], [3]);
});
