import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layout } from '#protocol/layout.ts';
import type { ManifestHead } from '#protocol/manifest.ts';
import { sayTo, sizesOfDisks } from '#server/images/fit-sizes.ts';

const GB = 1e9;

/** A disk all of which is one partition. */
function layoutOf(diskBytes: number): Layout {
  const sectors = Math.floor(diskBytes / 512) - 4096;
  const partitions = [{ number: 1, startSector: 2048, sectors, type: '83' }];
  return { label: 'dos', labelId: '0x1', sectorBytes: 512, diskBytes, partitions };
}

function headOf(first: number, ...others: number[]): ManifestHead {
  const moreDisks = others.map(layoutOf);
  const more = moreDisks.length === 0 ? {} : { moreDisks };
  return { chunkBytes: 65536, hash: 'blake3-256', layout: layoutOf(first), volumes: [], ...more };
}

test('one size is that of the only disk that does not fit it', () => {
  assert.deepEqual(sizesOfDisks('x', headOf(200 * GB), { toBytes: 100 * GB }), [100 * GB]);
  const two = headOf(60 * GB, 500 * GB);
  assert.deepEqual(sizesOfDisks('x', two, { toBytes: 100 * GB }), [undefined, 100 * GB]);
});

test('sizes for disks are for those alone; one that fits already stays as it is', () => {
  const two = headOf(200 * GB, 500 * GB);
  assert.deepEqual(sizesOfDisks('x', two, { disks: [{ disk: 1, toBytes: 100 * GB }] }), [undefined, 100 * GB]);
  const both = [
    { disk: 0, toBytes: 900 * GB },
    { disk: 1, toBytes: 100 * GB },
  ];
  assert.deepEqual(sizesOfDisks('x', two, { disks: both }), [undefined, 100 * GB]);
});

test('what is not clear, not there or not needed is refused with what helps', () => {
  const two = headOf(200 * GB, 500 * GB);
  assert.throws(() => sizesOfDisks('lab', two, { toBytes: 100 * GB }), {
    code: 'IMAGE_HAS_DISKS',
    message: /^lab holds 2 disks \(200\.0 GB, 500\.0 GB\), and 2 of them do not fit 100000000000 bytes/,
    next: /fleetcast image fit lab --to 1=100000000000,2=100000000000$/,
  });
  assert.throws(() => sizesOfDisks('lab', two, { disks: [{ disk: 2, toBytes: GB }] }), {
    code: 'IMAGE_LACKS_DISK',
    message: /has no disk 3: it holds 2/,
  });
  assert.throws(() => sizesOfDisks('lab', two, { toBytes: 600 * GB }), { code: 'SHRINK_NEEDLESS' });
  assert.throws(() => sizesOfDisks('lab', two, { disks: [{ disk: 0, toBytes: 300 * GB }] }), {
    code: 'SHRINK_NEEDLESS',
  });
});

test('sizes are said as the option takes them', () => {
  assert.equal(sayTo([undefined, 5, 7]), '2=5,3=7');
});
