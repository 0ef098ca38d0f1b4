import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkIdSet } from '#server/images/chunk-id-set.ts';

test('it holds just what a Set of strings would hold', () => {
  // Few distinct first bytes, so that many ids meet in one slot.
  const id = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2000 }))
    .map(([low, high]) =>
      Buffer.concat([Buffer.of(low, 0, 0, 0), Buffer.alloc(24), Buffer.from(Uint32Array.of(high).buffer)]),
    );
  fc.assert(
    fc.property(fc.array(id, { maxLength: 3000 }), fc.array(id), (added, asked) => {
      const set = new ChunkIdSet();
      const model = new Set<string>();
      for (const one of added) {
        assert.equal(set.add(one), !model.has(one.toString('hex')));
        model.add(one.toString('hex'));
      }
      assert.equal(set.size, model.size);
      for (const one of [...added, ...asked]) assert.equal(set.has(one), model.has(one.toString('hex')));
    }),
    { numRuns: 30 },
  );
});

test('after clear it holds nothing', () => {
  const set = new ChunkIdSet();
  set.addAll(Buffer.alloc(64));
  assert.equal(set.size, 1);
  set.clear();
  assert.equal(set.has(Buffer.alloc(32)), false);
  assert.equal(set.size, 0);
});
