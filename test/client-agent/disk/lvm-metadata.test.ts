import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPhysicalVolume } from '#agent/disk/lvm-metadata.ts';
import { lvm } from '#agent/disk/lvm-program.ts';
import { LVM_GROUP, LVM_START, makeLvmDisk, onLvm } from '#test/client-agent/lvm-disk.ts';
import { mutate, Random } from '#test/fuzz/mutation.ts';
import { tempFolder } from '#test/temp-folder.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;

/** As lvcreate(8) writes it, which makes snapshots only with device-mapper. */
const SNAPSHOT = `
snapshot0 {
id = "Abcdef-0123-4567-89ab-cdef-ghij-klmnop"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 1
segment1 {
start_extent = 0
extent_count = 10
type = "snapshot"
chunk_size = 8
origin = "root"
cow_store = "snap"
}
}
`;

/** As pvmove(8) writes it while it goes on: from extent 17 to extent 20. */
const MOVED = `
pvmove0 {
id = "Zyxwvu-0123-4567-89ab-cdef-ghij-klmnop"
status = ["READ", "WRITE", "PVMOVE", "LOCKED"]
flags = []
allocation_policy = "contiguous"
segment_count = 1
segment1 {
start_extent = 0
extent_count = 2
type = "mirror"
mirror_count = 2
extents_moved = 0
region_size = 1024
mirrors = ["pv0", 17, "pv0", 20]
}
}
`;

test('a physical volume says how it is divided; the origin of a snapshot and its store are no plain volumes', {
  skip,
}, async (t) => {
  const folder = tempFolder(t);
  const [disk, text] = [join(folder, 'disk'), join(folder, 'group')];
  await makeLvmDisk(disk, 102, [
    ['root', 40],
    ['snap', 8],
    ['home', 20],
  ]);
  await onLvm(disk, 100 * MiB, async (device) => {
    await lvm(device, 'vgcfgbackup', '--file', text, LVM_GROUP);
    const group = readFileSync(text, 'utf8');
    writeFileSync(text, group.replace('logical_volumes {', `logical_volumes {${SNAPSHOT}`));
    await lvm(device, 'vgcfgrestore', '--file', text, LVM_GROUP);
  });
  const bytes = readFileSync(disk).subarray(LVM_START);
  const found = readPhysicalVolume((at, length) => bytes.subarray(at, at + length), 100 * MiB);
  assert.ok(typeof found !== 'string', String(found));
  const { extentBytes, extents, members, areas } = found;
  assert.deepEqual(
    { extentBytes, extents, members, areas },
    { extentBytes: 4 * MiB, extents: 24, members: 1, areas: 1 },
  );
  assert.deepEqual(
    found.runs.map(({ name, isPlain }) => [name, isPlain]),
    [
      ['lab/root', false],
      ['lab/snap', false],
      ['lab/home', true],
    ],
  );

  await t.test('metadata that nobody keeps up to date is not read', () => {
    const stale = Buffer.from(bytes.subarray(0, MiB));
    stale.writeUInt32LE(1, 4096 + 60);
    const read = (at: number, length: number) => stale.subarray(at, at + length);
    assert.equal(readPhysicalVolume(read, 100 * MiB), 'none of its metadata areas can be read');
  });

  await t.test(
    'extents that are on their way to another place are seen, and then nothing in the group is mapped',
    async () => {
      await onLvm(disk, 100 * MiB, async (device) => {
        const group = readFileSync(text, 'utf8');
        writeFileSync(text, group.replace('logical_volumes {', `logical_volumes {${MOVED}`));
        await lvm(device, 'vgcfgrestore', '--force', '--file', text, LVM_GROUP);
      });
      const moving = readFileSync(disk).subarray(LVM_START);
      const why = readPhysicalVolume((at, length) => moving.subarray(at, at + length), 100 * MiB);
      assert.equal(why, 'pvmove0 in it is a mirror, with extents of its own');
    },
  );

  await t.test('damaged, it is refused or read, and nothing beyond the volume is asked for', () => {
    const [random, head] = [new Random(0x9e3779b9), bytes.subarray(0, MiB)];
    const limit = 100 * MiB;
    for (let i = 0; i < 3000; i++) {
      // Labels and header of the area, where lengths and places are; its text has a checksum.
      const damaged = Buffer.concat([mutate([head.subarray(0, 8192)], random), head]).subarray(0, MiB);
      readPhysicalVolume((at, length) => {
        assert.ok(at >= 0 && length >= 0 && at + length <= limit, `${length} bytes at ${at}`);
        return Buffer.concat([damaged.subarray(at, at + length)], length);
      }, limit);
    }
  });
});
