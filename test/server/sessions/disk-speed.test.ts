import assert from 'node:assert/strict';
import { test } from 'node:test';
import { speedOf } from '#server/sessions/disk-speed.ts';

test('a disk is as fast as its kind usually is, and the kind is told', () => {
  const read = (transport: string, rotational?: boolean) =>
    speedOf({ transport, ...(rotational === undefined ? {} : { rotational }) }, undefined).readBytesPerSecond / 1e6;
  assert.ok(read('nvme', false) > read('sata', false));
  assert.ok(read('sata', false) > read('sata', true));
  assert.equal(read('virtio', true), read('sata'), 'of virtual disks and old inventories nothing is known');
  assert.equal(
    speedOf({ transport: 'sata', rotational: true }, undefined).because,
    'a hard disk is taken to read 120 MB/s',
  );
});

test('what was measured counts, and a disk that reads slowly writes no faster', () => {
  const speed = speedOf({ transport: 'nvme' }, 90e6);
  assert.deepEqual(speed, {
    readBytesPerSecond: 90e6,
    writeBytesPerSecond: 90e6,
    because: 'it was read at 90 MB/s before',
  });
});
