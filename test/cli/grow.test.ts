import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFit } from '#cli/fit-view.ts';
import { parseGrow } from '#cli/grow.ts';
import { KnownError } from '#protocol/errors.ts';

test('--grow takes its words and the number of a partition, nothing else', () => {
  assert.deepEqual(['none', 'last', 'proportional', '3'].map(parseGrow), ['none', 'last', 'proportional', 3]);
  for (const text of ['', 'all', '0', '-1', '1.5', 'sda3']) {
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
