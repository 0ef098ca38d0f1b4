import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bootSource, isCalled, whileBootMounted } from '#agent/finishers/boot-folder.ts';
import { RootFolder } from '#agent/finishers/root-folder.ts';
import { withTargetSystem } from '#agent/finishers/target-system.ts';
import type { Manifest, Volume } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makeEmptyFile } from '../filesystems.ts';
import { diskOf, writeInto } from '../test-disk.ts';

const MiB = 1024 * 1024;
const UUID = '3d0c7a0e-7a52-4b5c-8a39-0f6a6a7c1b11';
const skip = process.getuid?.() === 0 ? false : 'mounting needs root: sudo npm test';

test('fstab says whether /boot is a filesystem of its own', () => {
  assert.equal(
    bootSource(`UUID=1 / ext4\n# UUID=3 /boot ext4\nUUID=${UUID}\t/boot\text4 defaults 0 2\n`),
    `UUID=${UUID}`,
  );
  assert.equal(bootSource('/dev/sda1 /boot/ ext2\n'), '/dev/sda1');
  assert.equal(bootSource('UUID=1 / ext4\nUUID=2 /boot/efi vfat\n#/dev/sda1 /boot ext2\n'), undefined);
});

test('it is known by every name that fstab may use', () => {
  const names = { uuid: UUID, label: 'BOOT', partitionUuid: 'ABCD-01', partitionName: 'boot', partition: 2 };
  for (const source of [
    `UUID=${UUID.toUpperCase()}`,
    `UUID="${UUID}"`,
    'LABEL=BOOT',
    'PARTUUID=abcd-01',
    'PARTLABEL=boot',
  ]) {
    assert.ok(isCalled(source, names), source);
  }
  for (const source of ['/dev/sda2', '/dev/nvme0n1p2', '/dev/mmcblk0p2']) assert.ok(isCalled(source, names), source);
  for (const source of ['UUID=1', 'LABEL=boot', '/dev/sda12', '/dev/sda', '/dev/mapper/vg-boot', '/dev/nvme0n2']) {
    assert.ok(!isCalled(source, names), source);
  }
  assert.ok(!isCalled('UUID=', { ...names, uuid: undefined }));
});

test('a /boot of its own is in its place while it is needed', { skip }, async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'disk.img');
  makeEmptyFile(path, 34 * MiB);
  const makeVolume = async (partition: number, startBytes: number, files: Record<string, string>, more: string[]) => {
    const [tree, image] = [join(folder, `tree${partition}`), join(folder, `${partition}.img`)];
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(tree, name, '..'), { recursive: true });
      writeFileSync(join(tree, name), text);
    }
    makeEmptyFile(image, 16 * MiB);
    await run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, ...more, image]);
    writeInto(path, startBytes, readFileSync(image));
    return { kind: 'partition', partition, filesystem: 'ext4', startBytes, sizeBytes: 16 * MiB } as unknown as Volume;
  };
  const fstab = `UUID=1 / ext4\nUUID=${UUID} /boot ext4\n`;
  const volumes = [
    await makeVolume(1, MiB, { vmlinuz: 'kernel' }, ['-U', UUID]),
    await makeVolume(2, 17 * MiB, { 'etc/fstab': fstab, 'etc/os-release': '', 'boot/under': 'x' }, []),
  ];
  const manifest = { volumes, head: { layout: { partitions: [] } } } as unknown as Manifest;
  const disk = diskOf(path);
  const named = await withTargetSystem(disk, volumes, [], async (system) => {
    const root = new RootFolder(system!.root);
    let kernel: string | undefined;
    await whileBootMounted(root, { disk, manifest, changes: [], system }, async () => {
      kernel = await root.read('boot/vmlinuz');
    });
    assert.equal(await root.exists('boot/under'), true, 'it is gone from there afterwards');
    const without = { ...manifest, volumes: [volumes[1]!] };
    await assert.rejects(
      whileBootMounted(root, { disk, manifest: without, changes: [], system }, async () => {}),
      {
        message: `its /boot is UUID=${UUID} in fstab, and this disk has no such filesystem`,
      },
    );
    return kernel;
  });
  assert.equal(named, 'kernel');
});
