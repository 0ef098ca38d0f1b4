import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidatesOf } from '#agent/finishers/target-system.ts';
import type { Volume } from '#protocol/manifest.ts';

const volume = (fields: Partial<Volume>) =>
  ({ kind: 'partition', filesystem: 'ext4', sizeBytes: 1, ...fields }) as Volume;
const inLvm = (name: string, offsetBytes?: number) =>
  volume({ within: { kind: 'lvm', name, ...(offsetBytes === undefined ? {} : { offsetBytes }) } });

test('volumes that can be mounted are looked into, the largest first', () => {
  const [small, large] = [volume({ sizeBytes: 5 }), volume({ sizeBytes: 9, filesystem: 'ntfs' })];
  const others = [volume({ filesystem: 'vfat' }), volume({ filesystem: 'swap' })];
  assert.deepEqual(candidatesOf([small, ...others, large]), [large, small]);
});

test('a logical volume in one piece is looked into, one in several pieces is not', () => {
  const [root, first, second] = [inLvm('vg/root'), inLvm('vg/data'), inLvm('vg/data', 4096)];
  assert.deepEqual(candidatesOf([root, first, second]), [root]);
});

test('a member of a mirror is never changed alone', () => {
  assert.deepEqual(candidatesOf([volume({ within: { kind: 'md', name: 'abc' } })]), []);
});
