import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { probeBlock } from '#agent/disk/block-probe.ts';
import { growFilesystem } from '#agent/disk/filesystem-grower.ts';
import { KnownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { digestTree, filesystems, makeEmptyFile, makeTree } from '#test/client-agent/filesystems.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const MiB = 1024 * 1024;
/** The filesystem lies at an odd MiB of a file that stands for a disk, and grows by so much. */
const START = 3 * MiB;
const MORE = 100 * MiB;
const needsRoot = process.getuid?.() === 0 ? false : 'needs root (loop devices, mounts)';
const known = filesystems.filter(({ name }) => ['ext4', 'NTFS', 'XFS', 'Btrfs'].includes(name));

function placeOf(filesystem: string, sizeBytes: number) {
  return { filesystem, startBytes: START, sizeBytes, where: 1 };
}

for (const { name, blkidType, sizeBytes, make, check, extract } of known) {
  test(`${name} grows over its place with every file as it was, also when told twice`, {
    skip: needsRoot,
  }, async (t) => {
    const folder = tempFolder(t);
    const [tree, image, disk, out] = ['tree', 'image', 'disk', 'out'].map((part) => join(folder, part)) as [
      ...[string, string, string, string],
    ];
    mkdirSync(tree);
    makeTree(tree);
    makeEmptyFile(image, sizeBytes);
    await make(image, tree);
    makeEmptyFile(disk, START + sizeBytes + MORE + MiB);
    writeInto(disk, 0, Buffer.alloc(START, 'before'));
    writeInto(disk, START, readFileSync(image));
    writeInto(disk, START + sizeBytes + MORE, Buffer.alloc(MiB, 'behind'));
    const before = sizeOf(blkidType, readFileSync(image));

    const grown = placeOf(blkidType, sizeBytes + MORE);
    await growFilesystem({ path: disk, sectorBytes: 512 }, grown);
    await growFilesystem({ path: disk, sectorBytes: 512 }, grown);

    const bytes = readFileSync(disk);
    assert.ok(bytes.subarray(0, START).equals(Buffer.alloc(START, 'before')));
    assert.ok(bytes.subarray(START + sizeBytes + MORE).equals(Buffer.alloc(MiB, 'behind')));
    writeFileSync(image, bytes.subarray(START, START + sizeBytes + MORE));
    await check(image);
    mkdirSync(out);
    await extract(image, out, tree);
    assert.deepEqual(digestTree(out), digestTree(tree));
    const after = sizeOf(blkidType, bytes.subarray(START));
    assert.ok(after > before && after >= sizeBytes + MORE - 2 * MiB, `${before} to ${after}`);
  });
}

/** Size of a filesystem by its own superblock: ext2(5), xfs_db(8), Btrfs' on-disk format, the boot sector of NTFS. */
function sizeOf(filesystem: string, bytes: Buffer): number {
  if (filesystem.startsWith('ext')) return bytes.readUInt32LE(1024 + 4) * (1024 << bytes.readUInt32LE(1024 + 24));
  if (filesystem === 'xfs') return Number(bytes.readBigUInt64BE(8)) * bytes.readUInt32BE(4);
  if (filesystem === 'btrfs') return Number(bytes.readBigUInt64LE(0x10000 + 0x70));
  return Number(bytes.readBigUInt64LE(40)) * bytes.readUInt16LE(11);
}

test('a filesystem that its checker refuses is not grown, and it is said why', { skip: needsRoot }, async (t) => {
  const disk = join(tempFolder(t), 'disk');
  makeEmptyFile(disk, START + 60 * MiB);
  writeInto(disk, START, Buffer.alloc(2 * MiB, 'noise'));
  await assert.rejects(
    growFilesystem({ path: disk, sectorBytes: 512 }, placeOf('ext4', 40 * MiB + 20 * MiB)),
    (error) =>
      error instanceof KnownError &&
      error.code === 'GROW_FAILED' &&
      /^\{host\}: the ext4 of partition 1 could not be made larger: e2fsck failed/.test(error.message),
  );
  assert.equal((await probeBlock(disk, { startBytes: START, sizeBytes: 60 * MiB })).type, undefined);
});

test('F2FS grows over its place, and what lies in it stays where it is', { skip: needsRoot }, async (t) => {
  const folder = tempFolder(t);
  const [tree, image, disk] = ['tree', 'image', 'disk'].map((part) => join(folder, part)) as [string, string, string];
  const sizeBytes = 160 * MiB;
  mkdirSync(tree);
  makeTree(tree);
  makeEmptyFile(image, sizeBytes);
  await run(['mkfs.f2fs', '-q', image]);
  await run(['sload.f2fs', '-f', tree, image]);
  makeEmptyFile(disk, START + sizeBytes + MORE);
  writeInto(disk, START, readFileSync(image));
  const grown = placeOf('f2fs', sizeBytes + MORE);
  await growFilesystem({ path: disk, sectorBytes: 512 }, grown);
  await growFilesystem({ path: disk, sectorBytes: 512 }, grown);
  const bytes = readFileSync(disk).subarray(START);
  // Linux include/linux/f2fs_fs.h: the superblock lies at 1024, its count of blocks of 4 KiB at 36.
  assert.ok(Number(bytes.readBigUInt64LE(1024 + 36)) * 4096 > sizeBytes + MORE - 4 * MiB);
  assert.ok(bytes.includes(readFileSync(join(tree, 'random.bin')).subarray(0, 4096)));
});
