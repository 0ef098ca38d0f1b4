import assert from 'node:assert/strict';
import { mkdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyLayout } from '#agent/disk/layout-writer.ts';
import { withLoopDevice } from '#agent/disk/loop-device.ts';
import { lvm } from '#agent/disk/lvm-program.ts';
import { growPhysicalVolume } from '#agent/disk/physical-volume.ts';
import { withVolumeDevice } from '#agent/disk/volume-device.ts';
import { finishFit } from '#agent/orders/fit.ts';
import { KnownError } from '#protocol/errors.ts';
import { changesOf, fitTo, placeManifest } from '#protocol/fit.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { digestTree, makeEmptyFile, makeTree } from '#test/client-agent/filesystems.ts';
import { fillVolume, LVM_HEAD, LVM_START, makeLvmDisk, readVolumes } from '#test/client-agent/lvm-disk.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;

test('a physical volume grows on a larger disk: its last volume with a filesystem takes the room', {
  skip,
}, async (t) => {
  const folder = tempFolder(t);
  const [source, target, tree] = ['source', 'target', 'tree'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(tree);
  makeTree(tree);
  await makeLvmDisk(source, 130, [
    ['swap', 16],
    ['root', 64],
  ]);
  await fillVolume(source, 0, 16, (image) => run(['mkswap', image]));
  await fillVolume(source, 16, 64, (image) => run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, image]));
  const sink = new ChunkSink();
  await capture(diskOf(source), sink.link);
  makeEmptyFile(target, 230 * MiB);
  const { fit } = fitTo(sink.manifest!.head, 230 * MiB, 'last');
  const changes = changesOf(sink.manifest!.volumes, fit!);

  await t.test('the plan says so', () => {
    assert.deepEqual(changes, [
      {
        ...{ partition: 1, filesystem: 'LVM2_member', container: 'lab' },
        ...{ fromStartBytes: LVM_START, startBytes: LVM_START, fromBytes: 128 * MiB, sizeBytes: 228 * MiB },
        volumes: [{ name: 'lab/root', filesystem: 'ext4', fromBytes: 64 * MiB, sizeBytes: 164 * MiB }],
      },
    ]);
  });

  await t.test('and so it is, also when told twice', async () => {
    sink.lay(target, placeManifest(sink.manifest!, fit));
    await finishFit(diskOf(target), changes);
    await finishFit(diskOf(target), changes);
    await applyLayout(diskOf(target), fit!.layout);
    // What was free in the group (extents 20 to 30) stays free behind.
    assert.deepEqual(await readVolumes(target, 228 * MiB), { root: [41, '4-44'], swap: [4, '0-3'] });
    const at = LVM_START + LVM_HEAD + 16 * MiB;
    const image = join(folder, 'root');
    await run(['dd', `if=${target}`, `of=${image}`, 'bs=1M', `skip=${at / MiB}`, 'count=164', 'status=none']);
    await run(['e2fsck', '-fn', image]);
    const out = join(folder, 'out');
    mkdirSync(out);
    await run(['debugfs', '-R', `rdump / ${out}`, image]);
    rmSync(join(out, 'lost+found'), { recursive: true });
    assert.deepEqual(digestTree(out), digestTree(tree));
  });

  await t.test('what grew can be mounted as large as it is now', async () => {
    const root = placeManifest(sink.manifest!, fit).volumes.find(({ within }) => within?.name === 'lab/root')!;
    const bytes = await withVolumeDevice(diskOf(target), root, changes, async (device) => {
      return Number((await run(['blockdev', '--getsize64', device])).stdout);
    });
    assert.equal(bytes, 164 * MiB);
  });

  await t.test('a group that cannot be extended so far fails, and says what lvm said', async () => {
    truncateSync(target, 330 * MiB);
    const volumes = [{ name: 'lab/root', filesystem: 'ext4', fromBytes: 64 * MiB, sizeBytes: 999 * MiB }];
    const place = { partition: 1, container: 'lab', startBytes: LVM_START, sizeBytes: 300 * MiB, volumes };
    await assert.rejects(
      growPhysicalVolume(diskOf(target), place),
      (error) =>
        error instanceof KnownError &&
        error.code === 'GROW_FAILED' &&
        /the LVM of partition 1 could not be made larger: lvm failed.*[Ii]nsufficient free space/s.test(error.message),
    );
  });
});

test('a physical volume that has a disk with sectors of 4096 bytes to itself grows over it', { skip }, async (t) => {
  const [source, target] = ['source', 'target'].map((name) => join(tempFolder(t), name)) as [string, string];
  const span = (path: string, sizeBytes: number) => {
    return { path, startBytes: 0, sizeBytes, sectorBytes: 4096, mode: 'write' as const };
  };
  makeEmptyFile(source, 97 * MiB);
  await withLoopDevice(span(source, 97 * MiB), async (device) => {
    await lvm(device, 'pvcreate', device);
    await lvm(device, 'vgcreate', 'lab', device);
    await lvm(device, 'lvcreate', '-an', '-Zn', '-Wn', '--size', '64m', '--name', 'root', 'lab');
  });
  const image = `${source}.root`;
  makeEmptyFile(image, 64 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-b', '4096', image]);
  writeInto(source, MiB, image);
  const sink = new ChunkSink();
  await capture(diskOf(source, 4096), sink.link);
  makeEmptyFile(target, 201 * MiB);
  const { fit } = fitTo(sink.manifest!.head, 201 * MiB, 'lab/root');
  sink.lay(target, placeManifest(sink.manifest!, fit));
  const [fitted] = await finishFit(diskOf(target, 4096), changesOf(sink.manifest!.volumes, fit!));
  assert.deepEqual([fitted!.check, fitted!.sizeBytes, fitted!.volumes![0]!.sizeBytes], ['clean', 201 * MiB, 168 * MiB]);
  await withLoopDevice(span(target, 201 * MiB), async (device) => {
    const { stdout } = await lvm(device, 'lvs', '--noheadings', '--units', 'm', '-o', 'lv_size,seg_pe_ranges', 'lab');
    assert.equal(stdout.trim().replaceAll(/ +/g, ' '), `168.00m ${device}:0-41`);
  });
});
