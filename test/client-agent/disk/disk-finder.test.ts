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
