import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPhysicalVolume } from '#agent/disk/lvm-metadata.ts';
import { packPhysicalVolume } from '#agent/disk/lvm-packer.ts';
import { KnownError } from '#protocol/errors.ts';
import { LVM_HEAD, LVM_START, makeLvmDisk, readVolumes } from '#test/client-agent/lvm-disk.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;

test('of the metadata alone a smaller physical volume is made, by lvm and with the same ids', { skip }, async (t) => {
  const folder = tempFolder(t);
  const [disk, head] = [join(folder, 'disk'), join(folder, 'head')];
  // root lies in two pieces, around swap.
  await makeLvmDisk(disk, 202, [
    ['root', 40],
    ['swap', 16],
    ['root', 60],
  ]);
  const source = readFileSync(disk);
  const headOf = (bytes: Buffer) => bytes.subarray(LVM_START, LVM_START + LVM_HEAD);
  const restore = () => {
    rmSync(head, { force: true });
    writeInto(disk, 0, source);
    truncateSync(disk, source.length);
    rmSync(head, { force: true });
    writeFileSync(head, headOf(source));
  };
  const idsOf = (bytes: Buffer) => [...new Set(bytes.toString('latin1').match(/id = "[^"]+"/g))].sort();

  await t.test('its volumes lie where they are told to', async () => {
    restore();
    const volumes = [
      { name: 'swap', startExtent: 0, extents: 4 },
      { name: 'root', startExtent: 4, extents: 12 },
    ];
    await packPhysicalVolume(head, LVM_HEAD, { sizeBytes: 66 * MiB, sectorBytes: 512, extents: 16, volumes });
    assert.equal(statSync(head).size, LVM_HEAD);
    writeInto(disk, LVM_START, head);
    truncateSync(disk, LVM_START + 66 * MiB);
    assert.deepEqual(await readVolumes(disk, 66 * MiB), { root: [12, '4-15'], swap: [4, '0-3'] });
    assert.deepEqual(idsOf(headOf(readFileSync(disk))), idsOf(headOf(source)));
    const found = readPhysicalVolume(
      (at, length) => readFileSync(disk).subarray(LVM_START + at, LVM_START + at + length),
      66 * MiB,
    );
    assert.ok(typeof found !== 'string');
    assert.deepEqual([found.extents, found.members, found.areas], [16, 1, 1]);
  });

  await t.test('its end is cut off where nothing lies', async () => {
    restore();
    await packPhysicalVolume(head, LVM_HEAD, { sizeBytes: 117 * MiB, sectorBytes: 512, extents: 29 });
    writeInto(disk, LVM_START, head);
    truncateSync(disk, LVM_START + 117 * MiB);
    assert.deepEqual(await readVolumes(disk, 117 * MiB), { root: [25, '0-9 14-28'], swap: [4, '10-13'] });
  });

  await t.test('a size in which its volumes have no room is refused, and says what lvm said', async () => {
    restore();
    await assert.rejects(
      packPhysicalVolume(head, LVM_HEAD, { sizeBytes: 60 * MiB, sectorBytes: 512, extents: 14 }),
      (error) =>
        error instanceof KnownError &&
        error.code === 'SHRINK_FAILED' &&
        /The LVM could not.*cannot resize to 14 extents/s.test(error.message),
    );
  });
});
