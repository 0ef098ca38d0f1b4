import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findDisk } from '#agent/disk/disk-finder.ts';
import { identityOf } from '#protocol/disk.ts';
import { type ErrorCode, KnownError } from '#protocol/errors.ts';
import { sampleDisk as disk } from './sample-disk.ts';

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

test('disks whose names were exchanged are told apart by serial number, namespaces of one NVMe by WWN', () => {
  const other = { ...disk, path: '/dev/sdb', serial: 'T2' };
  const exchanged = [
    { ...disk, path: '/dev/sdb' },
    { ...other, path: '/dev/sda' },
  ];
  assert.equal(findDisk(exchanged, identityOf(disk)), exchanged[0]);
  assert.equal(findDisk(exchanged, identityOf(other)), exchanged[1]);
  const namespaces = [1, 2].map((n) => ({ ...disk, path: `/dev/nvme0n${n}`, wwn: `eui.000000000000000${n}` }));
  assert.equal(findDisk(namespaces.toReversed(), identityOf(namespaces[1]!)), namespaces[1]);
});

test('of disks without serial number and WWN one is found by model and size, two are refused', () => {
  const nameless = { ...disk, serial: '' };
  assert.equal(
    findDisk([nameless, { ...nameless, sizeBytes: 8 * nameless.sizeBytes }], identityOf(nameless)),
    nameless,
  );
  const twice = [nameless, { ...nameless, path: '/dev/sdb' }];
  assert.throws(() => findDisk(twice, identityOf(nameless)), isError('DISK_AMBIGUOUS'));
});
