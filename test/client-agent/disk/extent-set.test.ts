import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { subtractExtents, uniteExtents } from '#agent/disk/extent-set.ts';
import { type Extents, normalizeExtents } from '#protocol/chunk.ts';

const SIZE = 60;
const anyExtents = fc.array(fc.tuple(fc.nat(SIZE), fc.nat(SIZE))).map((runs) => normalizeExtents(runs, SIZE));
const bytesIn = (extents: Extents) => {
  const bytes = new Array<boolean>(SIZE).fill(false);
  for (let i = 0; i < extents.length; i += 2) bytes.fill(true, extents[i], extents[i + 1]);
  return bytes;
};

test('two sets are united and subtracted byte by byte, into runs that do not touch', () => {
  fc.assert(
    fc.property(anyExtents, anyExtents, (a, b) => {
      const [inA, inB] = [bytesIn(a), bytesIn(b)];
      const united = uniteExtents(a, b);
      const left = subtractExtents(a, b);
      assert.deepEqual(
        bytesIn(united),
        inA.map((is, i) => is || inB[i]),
      );
      assert.deepEqual(
        bytesIn(left),
        inA.map((is, i) => is && !inB[i]),
      );
      for (const runs of [united, left]) {
        for (let i = 2; i < runs.length; i += 2) assert.ok(runs[i]! > runs[i - 1]!);
      }
    }),
    { numRuns: 2000 },
  );
});
