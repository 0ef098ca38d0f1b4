import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findDisk } from '#agent/disk/disk-finder.ts';
import { checkFit, holdsLayout } from '#agent/orders/deploy.ts';
import { type Disk, identityOf } from '#protocol/disk.ts';
import { type ErrorCode, KnownError } from '#protocol/errors.ts';
import type { Layout } from '#protocol/layout.ts';
import { makeSampleImage } from '../receive/sample-image.ts';

const { manifest } = makeSampleImage();
const disk: Disk = {
  path: '/dev/sda',
  model: 'Test disk',
  serial: 'T1',
  sizeBytes: 4 * 1024 * 1024,
  sectorBytes: 512,
  transport: 'sata',
  removable: false,
  readOnly: false,
  inUse: false,
  content: '',
};

const isError = (code: ErrorCode) => (error: unknown) => error instanceof KnownError && error.code === code;

test('the disk of the plan is found under whatever path it has today', () => {
  const moved = { ...disk, path: '/dev/sdc' };
  assert.equal(findDisk([{ ...disk, serial: 'T2' }, moved], identityOf(disk)), moved);
});

test('a disk with another serial or size is not the disk of the plan', () => {
  for (const other of [
    { ...disk, serial: 'T2' },
    { ...disk, sizeBytes: disk.sizeBytes + 512 },
  ]) {
    assert.throws(() => findDisk([other], identityOf(disk)), isError('DISK_CHANGED'));
  }
});

test('two disks that cannot be told apart are refused', () => {
  assert.throws(() => findDisk([disk, { ...disk, path: '/dev/sdb' }], identityOf(disk)), isError('DISK_AMBIGUOUS'));
});

test('an image fits a disk of the same size and a larger one', () => {
  checkFit(disk, manifest);
  checkFit({ ...disk, sizeBytes: 2 * disk.sizeBytes }, manifest);
});

test('an image does not fit a smaller disk, nor one with other sectors', () => {
  assert.throws(() => checkFit({ ...disk, sizeBytes: 7168 * 512 }, manifest), isError('DISK_TOO_SMALL'));
  assert.throws(() => checkFit({ ...disk, sectorBytes: 4096 }, manifest), isError('DISK_SECTOR_SIZE'));
});

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
