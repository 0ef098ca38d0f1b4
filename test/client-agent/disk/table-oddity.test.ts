import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findOddity } from '#agent/disk/table-oddity.ts';
import type { Partition } from '#protocol/layout.ts';

/** `[number, start, sectors, type]` */
type Row = readonly [number, number, number, string];

function mbrOf(...rows: readonly Row[]) {
  const partitions: Partition[] = rows.map(([number, startSector, sectors, type]) => ({
    ...{ number, startSector, sectors, type },
  }));
  return findOddity({ label: 'dos', partitions });
}

const ROOM = 'its logical partitions leave no room for the sectors that describe them';

test('an MBR with logical partitions that sfdisk lays again is not odd, in whatever order they lie', () => {
  assert.equal(mbrOf([1, 63, 1000, '83'], [2, 2048, 9000, '5'], [5, 2111, 100, '83'], [6, 2212, 100, '7']), undefined);
  assert.equal(mbrOf([4, 2048, 9000, 'f'], [5, 6000, 100, '83'], [6, 2049, 100, '7']), undefined);
  assert.equal(mbrOf([1, 2048, 9000, '5']), undefined);
});

test('logical partitions without a sector before each, or beyond their extended one, are', () => {
  assert.equal(mbrOf([1, 2048, 9000, '5'], [5, 4096, 100, '83'], [6, 4196, 100, '83']), ROOM);
  assert.equal(mbrOf([1, 2048, 9000, '5'], [5, 2048, 100, '83']), ROOM);
  assert.equal(mbrOf([1, 2048, 1000, '5'], [5, 2049, 100, '83'], [6, 4000, 100, '83']), ROOM);
});

test('sfdisk reads the first of two extended partitions alone: what lies in the other one would be lost', () => {
  const two = mbrOf([1, 2048, 9000, '5'], [2, 20480, 9000, 'f'], [5, 4096, 100, '83']);
  assert.equal(two, 'it has more than one extended partition');
});

test('a dynamic disk of Windows keeps its database behind all partitions', () => {
  assert.match(mbrOf([1, 63, 100000, '42']) ?? '', /^it is a dynamic disk of Windows/);
});

test('entries of a GPT that were moved away make room for something that would be overwritten', () => {
  const header = Buffer.alloc(512);
  const gpt = { label: 'gpt' as const, partitions: [] };
  header.writeBigUInt64LE(4096n, 72);
  assert.equal(findOddity(gpt, header), undefined, 'a damaged header says nothing');
  header.write('EFI PART', 'latin1');
  assert.equal(findOddity(gpt, header), 'the entries of its GPT lie elsewhere than behind its header');
  header.writeBigUInt64LE(2n, 72);
  assert.equal(findOddity(gpt, header), undefined);
});
