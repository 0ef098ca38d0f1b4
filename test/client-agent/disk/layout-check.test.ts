import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdsLayout } from '#agent/disk/layout-check.ts';
import type { Layout } from '#protocol/layout.ts';

test('a table that reads back without a partition, or with another id, is not the one that was laid', () => {
  const wanted: Layout = {
    label: 'gpt',
    labelId: 'A0',
    sectorBytes: 512,
    diskBytes: 1e9,
    partitions: [{ number: 1, startSector: 2048, sectors: 100, type: 'T', uuid: 'U', name: 'EFI' }],
  };
  const [first] = wanted.partitions;
  assert.ok(holdsLayout({ ...wanted, diskBytes: 2e9, lastLba: 9 }, wanted));
  assert.ok(
    holdsLayout(wanted, { ...wanted, partitions: [{ number: 1, startSector: 2048, sectors: 100, type: 'T' }] }),
  );
  assert.ok(!holdsLayout({ ...wanted, label: 'dos' }, wanted));
  assert.ok(!holdsLayout({ ...wanted, labelId: 'B0' }, wanted));
  assert.ok(!holdsLayout({ ...wanted, partitions: [] }, wanted));
  assert.ok(!holdsLayout({ ...wanted, partitions: [{ ...first!, startSector: 2049 }] }, wanted));
  assert.ok(!holdsLayout({ ...wanted, partitions: [{ ...first!, name: 'other' }] }, wanted));
});
