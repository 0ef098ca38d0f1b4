import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFit, describeShrunk } from '#cli/fit-view.ts';
import { parseGrow } from '#cli/grow.ts';
import { KnownError } from '#protocol/errors.ts';

test('--grow takes its words, the number of a partition or a logical volume, nothing else', () => {
  assert.deepEqual(['none', 'last', 'proportional', '3'].map(parseGrow), ['none', 'last', 'proportional', 3]);
  assert.deepEqual(['vg0/root', '2/vg-a/lv_b'].map(parseGrow), ['vg0/root', '2/vg-a/lv_b']);
  for (const text of ['', 'all', '0', '-1', '1.5', 'sda3', '/vg0', 'a/b/c', 'vg0/a b']) {
    assert.throws(
      () => parseGrow(text),
      (error) => error instanceof KnownError && error.code === 'USAGE',
    );
  }
});

test('a fit is told by the numbers of partitions; a disk without a table has none', () => {
  const place = { fromStartBytes: 0, startBytes: 0, fromBytes: 1e9, sizeBytes: 3e9 };
  assert.equal(describeFit([{ filesystem: 'ext4', ...place }]), '(ext4) grows by 2.0 GB');
});

test('of LVM it is told which of its volumes grow', () => {
  const place = { partition: 2, filesystem: 'LVM2_member', container: 'vg0', fromStartBytes: 0, startBytes: 0 };
  const volume = (name: string, bytes: number) => ({
    name,
    filesystem: 'ext4',
    fromBytes: 1e9,
    sizeBytes: 1e9 + bytes,
  });
  const grown = { ...place, fromBytes: 1e10, sizeBytes: 3e10 };
  assert.equal(
    describeFit([{ ...grown, volumes: [volume('vg0/root', 2e10)] }]),
    '2 (LVM vg0) grows by 20.0 GB: vg0/root (ext4)',
  );
  assert.equal(
    describeFit([{ ...grown, volumes: [volume('vg0/root', 5e9), volume('vg0/home', 15e9)] }]),
    '2 (LVM vg0) grows by 20.0 GB: vg0/root (ext4) by 5.0 GB and vg0/home (ext4) by 15.0 GB',
  );
  assert.equal(describeFit([{ ...place, startBytes: 9, fromBytes: 1, sizeBytes: 1 }]), '2 (LVM vg0) moves');
});

test('of what has become smaller it is told from what size to what size, of LVM also what in it', () => {
  const place = { partition: 2, fromStartBytes: 0, startBytes: 0, fromBytes: 2e10, sizeBytes: 9e9 };
  assert.equal(describeShrunk([{ ...place, filesystem: 'ext4' }]), 'partition 2 (ext4) from 20.0 GB to 9.0 GB');
  const lvm = { ...place, filesystem: 'LVM2_member', container: 'vg0' };
  assert.equal(describeShrunk([lvm]), 'partition 2 (LVM vg0) from 20.0 GB to 9.0 GB');
  const volumes = [{ name: 'vg0/root', filesystem: 'ext4', fromBytes: 1e10, sizeBytes: 5e9 }];
  assert.equal(
    describeShrunk([{ ...lvm, volumes }]),
    'partition 2 (LVM vg0) from 20.0 GB to 9.0 GB with vg0/root (ext4) from 10.0 GB to 5.0 GB',
  );
});
