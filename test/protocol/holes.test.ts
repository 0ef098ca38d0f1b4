import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HoleSet } from '#protocol/holes.ts';

const holes = fc
  .nat(300)
  .chain((count) =>
    fc.tuple(fc.constant(count), count === 0 ? fc.constant([]) : fc.array(fc.nat(count - 1), { maxLength: 100 })),
  );

function make(chunkCount: number, ordinals: readonly number[]): HoleSet {
  const set = HoleSet.none(chunkCount);
  for (const ordinal of ordinals) set.add(ordinal);
  return set;
}

function ascending(ordinals: Iterable<number>): number[] {
  return [...new Set(ordinals)].sort((a, b) => a - b);
}

test('holes are a set: ascending, counted, the same after the wire', () => {
  fc.assert(
    fc.property(holes, ([count, ordinals]) => {
      const set = make(count, ordinals);
      assert.deepEqual([...set], ascending(ordinals));
      assert.equal(set.count, ascending(ordinals).length);
      const read = HoleSet.decode(set.encode(), count)!;
      assert.deepEqual([...read], [...set]);
      assert.equal(read.count, set.count);
    }),
  );
});

test('adding and removing one by one is what a Set does', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(40)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (list) => {
      const set = HoleSet.none(41);
      const model = new Set<number>();
      for (const [isAdded, ordinal] of list) {
        if (isAdded) set.add(ordinal);
        else set.delete(ordinal);
        if (isAdded) model.add(ordinal);
        else model.delete(ordinal);
        assert.equal(set.has(ordinal), model.has(ordinal));
      }
      assert.deepEqual([...set], ascending(model));
      assert.equal(set.count, model.size);
    }),
  );
});

test('the union has the holes of both, and a clone is on its own', () => {
  const both = fc
    .nat(200)
    .chain((count) => fc.tuple(fc.constant(count), fc.array(fc.nat(count)), fc.array(fc.nat(count))));
  fc.assert(
    fc.property(both, ([last, one, two]) => {
      const first = make(last + 1, one);
      const union = first.clone();
      union.addAll(make(last + 1, two));
      assert.deepEqual([...union], ascending([...one, ...two]));
      assert.equal(union.count, ascending([...one, ...two]).length);
      assert.deepEqual([...first], ascending(one));
    }),
  );
});

test('all is every ordinal, none is no ordinal', () => {
  for (const count of [0, 1, 7, 8, 9, 240_001]) {
    const all = HoleSet.all(count);
    assert.equal(all.count, count);
    assert.equal([...all].length, count);
    assert.equal(HoleSet.decode(all.encode(), count)?.count, count);
    assert.deepEqual([...HoleSet.none(count)], []);
  }
});

test('another count, another length, bits past the end and garbage are refused', () => {
  const wire = make(13, [12]).encode();
  assert.equal(HoleSet.decode(wire, 12), undefined);
  assert.equal(HoleSet.decode(wire.subarray(0, -1), 13), undefined);
  assert.equal(HoleSet.decode(Buffer.concat([wire, Buffer.alloc(1)]), 13), undefined);
  wire[wire.length - 1]! |= 1 << 5;
  assert.equal(HoleSet.decode(wire, 13), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(500), (bytes, count) => {
      const read = HoleSet.decode(Buffer.from(bytes), count);
      if (read !== undefined) assert.deepEqual(read.encode(), Buffer.from(bytes));
    }),
  );
});

test('an ordinal that the manifest does not have is a bug, and holes of two manifests are not mixed', () => {
  assert.throws(() => HoleSet.none(8).add(8), RangeError);
  assert.throws(() => HoleSet.none(8).add(-1), RangeError);
  assert.throws(() => HoleSet.none(8).addAll(HoleSet.none(9)), RangeError);
});
