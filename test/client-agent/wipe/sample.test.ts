import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeSamples, SAMPLE_BYTES, type Sample, sampleOffsets } from '#agent/wipe/sample.ts';

test('the first and the last block and others at random are read back, of a small disk all blocks', () => {
  const disk = 256e9;
  let n = 0;
  const offsets = sampleOffsets(disk, () => (n++ % 1000) / 1000);
  assert.equal(offsets.length, 258);
  assert.equal(offsets[0], 0);
  assert.ok(offsets.at(-1)! < disk && offsets.at(-1)! + SAMPLE_BYTES >= disk, 'the last byte is read');
  assert.ok(offsets.every((offset) => offset % 4096 === 0));
  const small = sampleOffsets(10 * SAMPLE_BYTES + 512, Math.random);
  assert.deepEqual(small.slice(0, 3), [0, SAMPLE_BYTES, 2 * SAMPLE_BYTES]);
  assert.ok(small.at(-1)! + SAMPLE_BYTES >= 10 * SAMPLE_BYTES + 512);
  assert.deepEqual(sampleOffsets(4096, Math.random), [0]);
});

const zero: Sample = { only: 0 };
const ff: Sample = { only: 255 };
const old: Sample = { hash: 'old' };
const other: Sample = { hash: 'other' };
const judgements: readonly [
  title: string,
  method: 'zeros' | 'discard' | 'secure-erase',
  after: Sample,
  isGood: boolean,
][] = [
  ['zeros after zeros', 'zeros', zero, true],
  ['FF after zeros', 'zeros', ff, false],
  ['data after zeros', 'zeros', other, false],
  ['FF after a discard', 'discard', ff, true],
  ['data after a discard', 'discard', other, false],
  ['other data after a secure erase', 'secure-erase', other, true],
  ['the old data after a secure erase', 'secure-erase', old, false],
];
for (const [title, method, after, isGood] of judgements) {
  test(`a sample that reads as ${title} is ${isGood ? 'good' : 'bad'}`, () => {
    assert.deepEqual(judgeSamples(method, [old], [after]).bad, isGood ? [] : [0]);
  });
}
