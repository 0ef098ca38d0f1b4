import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFit } from '#agent/orders/fit.ts';
import { type ErrorCode, KnownError } from '#protocol/errors.ts';
import { sampleDisk as disk } from '../disk/sample-disk.ts';
import { makeSampleImage } from '../receive/sample-image.ts';

const { manifest } = makeSampleImage();
const isError = (code: ErrorCode) => (error: unknown) => error instanceof KnownError && error.code === code;

test('an image fits a disk of the same size and a larger one', () => {
  checkFit(disk, manifest);
  checkFit({ ...disk, sizeBytes: 2 * disk.sizeBytes }, manifest);
});

test('an image does not fit a smaller disk, nor one with other sectors', () => {
  assert.throws(() => checkFit({ ...disk, sizeBytes: 7168 * 512 }, manifest), isError('DISK_TOO_SMALL'));
  assert.throws(() => checkFit({ ...disk, sectorBytes: 4096 }, manifest), isError('DISK_SECTOR_SIZE'));
});
