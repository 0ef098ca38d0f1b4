import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  chunkIdOf,
  chunkIndicesOf,
  chunkLength,
  isChunkSize,
  maskUnused,
  normalizeExtents,
  usedBytesOf,
} from '#protocol/chunk.ts';

const SIZE = 2000;
const runs = fc.array(fc.tuple(fc.integer({ min: -50, max: SIZE + 50 }), fc.integer({ min: -50, max: SIZE + 50 })), {
  maxLength: 20,
});

/** One flag a byte: the plain way to say what a list of runs covers. */
function coverageOf(list: Iterable<readonly [number, number]>): boolean[] {
  const covered = new Array<boolean>(SIZE).fill(false);
  for (const [start, end] of list) for (let i = Math.max(0, start); i < Math.min(end, SIZE); i++) covered[i] = true;
  return covered;
}

function pairsOf(extents: Float64Array): [number, number][] {
  return Array.from({ length: extents.length / 2 }, (_, i) => [extents[i * 2]!, extents[i * 2 + 1]!]);
}

test('normalized extents cover the same bytes and are sorted, disjoint, not touching, none empty', () => {
  fc.assert(
    fc.property(runs, (list) => {
      const extents = normalizeExtents(list, SIZE);
      assert.deepEqual(coverageOf(pairsOf(extents)), coverageOf(list));
      assert.equal(usedBytesOf(extents), coverageOf(list).filter(Boolean).length);
      let before = -1;
      for (const position of extents) {
        assert.ok(position > before);
        before = position;
      }
    }),
  );
});

test('the chunks that exist are just those with a used byte', () => {
  fc.assert(
    fc.property(runs, fc.integer({ min: 1, max: 300 }), (list, chunkBytes) => {
      const covered = coverageOf(list);
      const expected: number[] = [];
      for (let index = 0; index * chunkBytes < SIZE; index++) {
        if (covered.slice(index * chunkBytes, (index + 1) * chunkBytes).includes(true)) expected.push(index);
      }
      const indices = chunkIndicesOf(normalizeExtents(list, SIZE), chunkBytes);
      assert.deepEqual([...indices], expected);
      for (const index of indices) {
        assert.equal(
          chunkLength(index, chunkBytes, SIZE),
          Math.min(SIZE, (index + 1) * chunkBytes) - index * chunkBytes,
        );
      }
    }),
  );
});

test('masking zeroes the unused bytes and leaves the used ones', () => {
  fc.assert(
    fc.property(runs, fc.nat(SIZE - 1), fc.integer({ min: 1, max: 300 }), (list, start, length) => {
      const plain = Buffer.alloc(Math.min(length, SIZE - start), 0xff);
      maskUnused(plain, start, normalizeExtents(list, SIZE));
      const covered = coverageOf(list);
      plain.forEach((byte, i) => {
        assert.equal(byte, covered[start + i] ? 0xff : 0);
      });
    }),
  );
});

test('extents of disks far beyond 4 GiB keep their bytes', () => {
  const end = 18 * 2 ** 40;
  const extents = normalizeExtents([[end - 1, end]], end);
  assert.deepEqual([...chunkIndicesOf(extents, 4 * 2 ** 20)], [end / (4 * 2 ** 20) - 1]);
});

test('a chunk size is a power of two from 64 KiB to 4 MiB', () => {
  const sizes = [65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152, 4_194_304];
  for (const size of sizes) assert.ok(isChunkSize(size));
  for (const size of [0, -65_536, 32_768, 65_537, 8_388_608, 65_536.5, Number.NaN])
    assert.equal(isChunkSize(size), false);
});

test('a chunk id is what b3sum(1) prints', () => {
  const expected = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';
  assert.equal(chunkIdOf(Buffer.alloc(0)).toString('hex'), expected);
});
