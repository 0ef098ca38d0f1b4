import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { holdsLayout } from '#agent/disk/layout-check.ts';
import { readLayout, readTable } from '#agent/disk/layout-reader.ts';
import { applyLayout, clearLabel, sfdiskScript } from '#agent/disk/layout-writer.ts';
import { withLoopDevice } from '#agent/disk/loop-device.ts';
import { withNewIds } from '#agent/disk/new-ids.ts';
import { volumesOf } from '#agent/disk/volumes.ts';
import type { Layout } from '#protocol/layout.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile, randomBytesOf } from '#test/client-agent/filesystems.ts';
import { diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { gptTable, makePartitionedDisk, mbrTable } from './sample-tables.ts';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;

async function dump(path: string): Promise<string> {
  return (await run(['sfdisk', '-d', path])).stdout.replaceAll(path, 'DISK');
}

for (const [name, script] of [
  ['GPT', gptTable],
  ['MBR with logical partitions', mbrTable],
] as const) {
  test(`a ${name} table laid on an equal disk is the source's, to sfdisk and to the byte in its boot code`, async (t) => {
    const folder = tempFolder(t);
    const source = await makePartitionedDisk(join(folder, 'source.img'), 100 * MiB, script);
    writeInto(source, 0, randomBytesOf('boot code', 440));
    const target = join(folder, 'target.img');
    makeEmptyFile(target, 100 * MiB);
    const layout = await readLayout(source, 512);
    await applyLayout(diskOf(target), layout);
    await applyLayout(diskOf(target), layout);
    assert.equal(await dump(target), await dump(source));
    assert.deepEqual(readFileSync(target).subarray(0, 512), readFileSync(source).subarray(0, 512));
    assert.deepEqual(await readLayout(target, 512), layout);
  });

  test(`a ${name} table leaves the bytes of all volumes as they are`, async (t) => {
    const folder = tempFolder(t);
    const source = await makePartitionedDisk(join(folder, 'source.img'), 100 * MiB, script);
    const layout = await readLayout(source, 512);
    const target = join(folder, 'target.img');
    makeEmptyFile(target, 100 * MiB);
    const noise = randomBytesOf('noise', 100 * MiB);
    writeInto(target, 0, noise);
    await clearLabel(diskOf(target));
    await applyLayout(diskOf(target), layout);
    const after = readFileSync(target);
    for (const { kind, partition, startBytes, sizeBytes } of volumesOf(layout)) {
      const same = after
        .subarray(startBytes, startBytes + sizeBytes)
        .equals(noise.subarray(startBytes, startBytes + sizeBytes));
      assert.ok(same, `${kind} ${partition ?? ''} was touched`);
    }
  });
}

test('on a larger disk the backup GPT lies at its end and the partitions are the same', async (t) => {
  const folder = tempFolder(t);
  const source = await makePartitionedDisk(join(folder, 'source.img'), 100 * MiB, gptTable);
  const target = join(folder, 'target.img');
  makeEmptyFile(target, 180 * MiB);
  await applyLayout(diskOf(target), await readLayout(source, 512));
  assert.equal(readFileSync(target).toString('latin1', 180 * MiB - 512, 180 * MiB - 504), 'EFI PART');
  const lines = async (path: string) => (await dump(path)).split('\n').filter((line) => line.startsWith('DISK'));
  assert.deepEqual(await lines(target), await lines(source));
  await run(['sgdisk', '--verify', target]);
});

test('a disk with sectors of 4096 bytes is read and laid in its own sectors', { skip: needsRoot }, async (t) => {
  const folder = tempFolder(t);
  const source = join(folder, 'source.img');
  const target = join(folder, 'target.img');
  makeEmptyFile(source, 64 * MiB);
  makeEmptyFile(target, 64 * MiB);
  const span = { path: source, startBytes: 0, sizeBytes: 64 * MiB, sectorBytes: 4096, mode: 'write' as const };
  await withLoopDevice(span, (node) =>
    run(['sfdisk', '--quiet', '--no-tell-kernel', '--no-reread', node], { input: 'label: gpt\n\nsize=4M\nsize=8M\n' }),
  );
  const layout = await readLayout(source, 4096);
  assert.deepEqual(
    layout.partitions.map(({ startSector, sectors }) => [startSector, sectors]),
    [
      [256, 1024],
      [1280, 2048],
    ],
  );
  await applyLayout(diskOf(target, 4096), layout);
  assert.deepEqual(await readLayout(target, 4096), layout);
  assert.equal(volumesOf(layout)[0]!.startBytes, 6 * 4096);
});

test('a filesystem without a table is label none, also where its boot sector looks like a table', async (t) => {
  const folder = tempFolder(t);
  for (const argv of [['mkfs.fat'], ['mkfs.ntfs', '-q', '-F', '-f'], ['mke2fs', '-q']]) {
    const path = join(folder, argv[0]!);
    makeEmptyFile(path, 20 * MiB);
    await run([...argv, path]);
    const layout = await readLayout(path, 512);
    assert.deepEqual(layout, { label: 'none', sectorBytes: 512, diskBytes: 20 * MiB, partitions: [] });
    assert.deepEqual(volumesOf(layout), [{ kind: 'disk', startBytes: 0, sizeBytes: 20 * MiB }]);
  }
});

test('an Apple partition map is content of a disk without a table, and named', async (t) => {
  const path = join(tempFolder(t), 'mac.img');
  makeEmptyFile(path, 4 * MiB);
  // Inside Macintosh, Devices, 3-12: block 0 begins with `ER` and the block size, block 1 with `PM`, the number of entries behind it.
  const blocks = Buffer.alloc(1024);
  blocks.write('ER', 0, 'latin1');
  blocks.writeUInt16BE(512, 2);
  blocks.write('PM', 512, 'latin1');
  blocks.writeUInt32BE(1, 516);
  blocks.writeUInt32BE(1, 520);
  blocks.writeUInt32BE(63, 524);
  blocks.write('Apple', 528, 'latin1');
  blocks.write('Apple_partition_map', 560, 'latin1');
  writeInto(path, 0, blocks);
  const { layout, oddity } = await readTable(path, 512);
  assert.deepEqual([layout.label, oddity], ['none', 'its partition table (mac) is none that could be laid again']);
});

test('a cleared disk has no table and keeps every other byte', async (t) => {
  const folder = tempFolder(t);
  const path = await makePartitionedDisk(join(folder, 'disk.img'), 100 * MiB, gptTable);
  writeInto(path, MiB, randomBytesOf('data', 4096));
  const before = readFileSync(path);
  const cleared = await clearLabel(diskOf(path));
  assert.deepEqual(
    cleared.map((run) => run.startBytes),
    [0, 512, 100 * MiB - 512],
  );
  for (const { startBytes, endBytes } of cleared) before.fill(0, startBytes, endBytes);
  assert.deepEqual(readFileSync(path), before);
  assert.equal((await readLayout(path, 512)).label, 'none');
});

test('volumes are the boot area and every partition that holds data, in disk order', async (t) => {
  const path = await makePartitionedDisk(join(tempFolder(t), 'disk.img'), 100 * MiB, mbrTable);
  const volumes = volumesOf(await readLayout(path, 512));
  assert.deepEqual(
    volumes.map(({ kind, partition, startBytes }) => [kind, partition, startBytes / 512]),
    [
      ['boot', undefined, 1],
      ['partition', 1, 63],
      ['partition', 5, 24640],
      ['partition', 6, 34642],
      ['partition', 7, 44643],
      ['partition', 8, 80000],
      ['partition', 4, 140000],
    ],
  );
  assert.equal(volumes[0]!.sizeBytes, 62 * 512);
});

test('the script names the last usable sector on an equal disk only', () => {
  const layout = { label: 'gpt' as const, sectorBytes: 512, diskBytes: 1e9, lastLba: 99, partitions: [] };
  assert.match(sfdiskScript(layout, 1e9), /last-lba: 99/);
  assert.doesNotMatch(sfdiskScript(layout, 2e9), /last-lba/);
});

/** A hybrid as gdisk makes it: the protective entry first, then a partition of the GPT with an MBR type of its own. */
async function makeHybrid(path: string): Promise<void> {
  await makePartitionedDisk(path, 64 * MiB, ['label: gpt', '', 'start=2048, size=4096', 'start=8192, size=16384']);
  await run(['sgdisk', '--hybrid=2', path]);
}

test('a hybrid MBR is laid again beside its GPT to the byte, with the partitions where they were', async (t) => {
  const folder = tempFolder(t);
  const [source, target] = [join(folder, 'source.img'), join(folder, 'target.img')];
  await makeHybrid(source);
  const layout = await readLayout(source, 512);
  assert.equal(layout.label, 'gpt');
  assert.deepEqual(
    layout.hybridMbr?.entries.map(({ partition }) => partition),
    [undefined, 2, undefined, undefined],
  );
  makeEmptyFile(target, 64 * MiB);
  await applyLayout(diskOf(target), layout);
  const mbrOf = (path: string) => readFileSync(path).subarray(0, 512).toString('hex');
  assert.equal(mbrOf(target), mbrOf(source));
  assert.equal(await dump(target), await dump(source));
  const [first, second] = layout.partitions;
  const moved = { ...layout, partitions: [first!, { ...second!, startSector: 16384, sectors: 32768 }] };
  await applyLayout(diskOf(target), moved);
  const again = await readLayout(target, 512);
  assert.equal(again.hybridMbr?.entries[1]?.partition, 2, 'the entry went where the partition went');
});

test('a plain protective MBR is nothing to carry', async (t) => {
  const path = await makePartitionedDisk(join(tempFolder(t), 'disk.img'), 64 * MiB, gptTable);
  assert.equal((await readLayout(path, 512)).hybridMbr, undefined);
});

for (const [name, script] of [
  ['GPT', gptTable],
  ['MBR', mbrTable],
] as const) {
  test(`with new ids two disks laid from one ${name} layout differ in their ids and in nothing else`, async (t) => {
    const folder = tempFolder(t);
    const layout = await readLayout(await makePartitionedDisk(join(folder, 'source.img'), 128 * MiB, script), 512);
    const laid = [];
    for (const file of ['one.img', 'two.img']) {
      const path = join(folder, file);
      makeEmptyFile(path, 128 * MiB);
      const renewed = withNewIds(layout);
      await applyLayout(diskOf(path), renewed);
      const found = await readLayout(path, 512);
      assert.ok(holdsLayout(found, renewed), 'what is on the disk is what was asked for');
      laid.push(found);
    }
    const ids = (one: Layout) => [one.labelId, ...one.partitions.flatMap(({ uuid }) => uuid ?? [])];
    const all = [layout, ...laid].flatMap(ids);
    assert.equal(new Set(all).size, all.length, 'no id is there twice');
    const bare = (one: Layout) => ({
      ...one,
      labelId: '',
      partitions: one.partitions.map((p) => ({ ...p, uuid: '' })),
    });
    for (const one of laid) assert.deepEqual(bare(one), bare(layout));
  });
}

test('partitions without sectors are left out, as they cannot be laid again', async (t) => {
  const path = await makePartitionedDisk(join(tempFolder(t), 'disk.img'), 8 * MiB, [
    'label: dos',
    '',
    'start=2048, size=2048',
  ]);
  const entry = Buffer.alloc(16);
  entry[4] = 0x83;
  entry.writeUInt32LE(6000, 8);
  writeInto(path, 446 + 16, entry);
  const layout = await readLayout(path, 512);
  assert.deepEqual(
    layout.partitions.map(({ number, sectors }) => [number, sectors]),
    [[1, 2048]],
  );
});

test('a table whose partitions lie over each other, as in the image of a bootable CD, is content of a disk without one', async (t) => {
  const path = await makePartitionedDisk(join(tempFolder(t), 'disk.img'), 8 * MiB, [
    'label: dos',
    '',
    'start=2048, size=8192',
  ]);
  assert.equal((await readLayout(path, 512)).label, 'dos');
  const entry = Buffer.alloc(16);
  entry[4] = 0xef;
  entry.writeUInt32LE(4096, 8);
  entry.writeUInt32LE(1024, 12);
  writeInto(path, 446 + 16, entry);
  const layout = await readLayout(path, 512);
  assert.deepEqual([layout.label, layout.partitions], ['none', []]);
  entry.writeUInt32LE(0, 8);
  writeInto(path, 446, Buffer.concat([entry, Buffer.alloc(16)]));
  assert.equal((await readLayout(path, 512)).label, 'none');
});

test('an MBR that names no partition is none: what lies behind it is carried as the content of the disk', async (t) => {
  const folder = tempFolder(t);
  const empty = await makePartitionedDisk(join(folder, 'empty.img'), 40 * MiB, ['label: dos']);
  assert.equal((await readLayout(empty, 512)).label, 'none');
  // blkid says of a bare exFAT that it is one and has an MBR.
  const exfat = join(folder, 'exfat.img');
  makeEmptyFile(exfat, 40 * MiB);
  const boot = Buffer.alloc(512);
  boot.write('\xeb\x76\x90EXFAT   ', 'latin1');
  boot.writeUInt16LE(0xaa55, 510);
  writeInto(exfat, 0, boot);
  const [volume] = volumesOf(await readLayout(exfat, 512));
  assert.deepEqual(volume, { kind: 'disk', startBytes: 0, sizeBytes: 40 * MiB });
});
