/** A GRUB for BIOS whose core was moved by a fit: it boots from its new place, by real firmware, to what its grub.cfg says. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyLayout } from '#agent/disk/layout-writer.ts';
import { lvm } from '#agent/disk/lvm-program.ts';
import { repairBoot } from '#agent/finishers/boot.ts';
import type { FinisherContext } from '#agent/finishers/finisher.ts';
import { finishFit } from '#agent/orders/fit.ts';
import { changesOf, fitTo } from '#protocol/fit.ts';
import type { Layout } from '#protocol/layout.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import { fitImage } from '#server/images/image-fitter.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { fillVolume, LVM_GROUP, makeLvmDisk, onLvm } from '#test/client-agent/lvm-disk.ts';
import { diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { captureImage, linesOf } from '#test/server/images/captured-image.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { consoleOfBios, makeBiosGrub } from './bios-grub.ts';
import { noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const ROOT = { startBytes: MiB, sizeBytes: 16 * MiB };
const CORE = { startBytes: 17 * MiB, sizeBytes: MiB };
const SOURCE_BYTES = 20 * MiB;
const TARGET_BYTES = 52 * MiB;
/** The one that does not boot hangs for ever. */
const HANGS_S = 8;
const types = ['0FC63DAF-8483-4772-8E79-3D69D8477DE4', '21686148-6449-6E6F-744E-656564454649'] as const;

const layout: Layout = {
  ...{ label: 'gpt', sectorBytes: 512, diskBytes: SOURCE_BYTES },
  partitions: [ROOT, CORE].map(({ startBytes, sizeBytes }, i) => {
    return { number: i + 1, startSector: startBytes / 512, sectors: sizeBytes / 512, type: types[i]! };
  }),
};
const volumes = [
  { kind: 'partition', partition: 1, filesystem: 'ext4', map: 'partclone.ext4', ...ROOT },
  { kind: 'partition', partition: 2, map: 'raw', ...CORE },
] as unknown as VolumeHead[];

test('a GRUB that a fit has moved boots from its new place', { skip: noVm }, async (t) => {
  const folder = tempFolder(t);
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'boot/grub'), { recursive: true });
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), 'echo MOVED-AND-BOOTED\nhalt\n');
  const root = join(folder, 'root.img');
  makeEmptyFile(root, ROOT.sizeBytes);
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'grubroot', '-d', tree, root]);
  const { boot, core } = await makeBiosGrub({
    ...{ folder, coreBytes: CORE.startBytes, prefix: '/boot/grub' },
    config: ['search --no-floppy --label grubroot --set=root', 'configfile /boot/grub/grub.cfg'],
    modules: ['search', 'search_label'],
  });
  const { fit } = fitTo({ layout, volumes }, TARGET_BYTES, 1);
  const changes = changesOf(volumes, fit!);
  const [first, second] = [fit!.places[0]!, fit!.places[1]!];
  assert.ok(second.startBytes > CORE.startBytes, 'the core has moved');

  // As a deployment leaves it: every volume at its new place, with the bytes of the source.
  const disk = join(folder, 'disk.img');
  makeEmptyFile(disk, TARGET_BYTES);
  const lines = fit!.layout.partitions.map(({ startSector, sectors, type }) => {
    return `start=${startSector}, size=${sectors}, type=${type}`;
  });
  await run(['sfdisk', '--quiet', disk], { input: ['label: gpt', '', ...lines, ''].join('\n') });
  writeInto(disk, first.startBytes, readFileSync(root));
  writeInto(disk, second.startBytes, core);
  writeInto(disk, 0, boot);
  const copy = join(folder, 'before.img');
  copyFileSync(disk, copy);
  const said: string[] = [];
  const context = {
    ...{ disk: diskOf(disk), changes, whyNoSystem: [], firmware: 'bios', keepNetbootFirst: false },
    manifest: {
      head: { layout: fit!.layout },
      volumes: volumes.map((volume, i) => ({ ...volume, ...fit!.places[i]! })),
    },
    signal: new AbortController().signal,
    say: (line: string) => void said.push(line),
  } as unknown as FinisherContext;
  await repairBoot(context);
  assert.match(said[0]!, /^GRUB in the boot record: its core is at sector \d+ now, not 34816$/);
  assert.doesNotMatch(
    await consoleOfBios(copy, folder, HANGS_S),
    /MOVED-AND-BOOTED/,
    'without the repair it would not boot',
  );
  assert.match(await consoleOfBios(disk, folder), /MOVED-AND-BOOTED/);
});

/** A core behind the partition of LVM moves with its end, in both directions. */
const LVM_SECTORS = 198 * 2048;

test('a GRUB whose /boot is a logical volume boots from a smaller and from a larger disk', {
  skip: noVm,
}, async (t) => {
  const folder = tempFolder(t);
  const [source, smaller, larger, tree] = ['source', 'smaller', 'larger', 'tree'].map((name) => join(folder, name)) as [
    ...[string, string, string, string],
  ];
  mkdirSync(join(tree, 'boot/grub'), { recursive: true });
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), 'echo BOOTED-FROM-LVM\nhalt\n');
  await makeLvmDisk(source, 200, [
    ['home', 80],
    ['root', 60],
  ]);
  for (const [at, size] of [
    [0, 80],
    [80, 60],
  ] as const) {
    await fillVolume(source, at, size, (image) => run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, image]));
  }
  const ids = await onLvm(source, LVM_SECTORS * 512, (device) =>
    lvm(device, 'lvs', '--noheadings', '-o', 'vg_uuid,lv_uuid', `${LVM_GROUP}/root`),
  );
  const [group, volume] = ids.stdout.trim().split(/\s+/);
  truncateSync(source, 202 * MiB);
  const table = `label: gpt\n\nstart=2048, size=${LVM_SECTORS}, type=lvm\nsize=1MiB, type=${types[1]}\n`;
  await run(['sfdisk', '--quiet', '--wipe', 'never', source], { input: table });
  const coreBytes = (2048 + LVM_SECTORS) * 512;
  const prefix = `(lvmid/${group}/${volume})/boot/grub`;
  const { boot, core } = await makeBiosGrub({ folder, coreBytes, prefix, config: [], modules: ['lvm'] });
  writeInto(source, 0, boot);
  writeInto(source, coreBytes, core);

  const { catalog, lay, options } = await captureImage(t, source, folder);
  /** As a deployment: laid, fitted, with its table and its boot repair; then what it says when it boots. */
  const bootFrom = async (image: string, path: string, diskBytes: number) => {
    const { head, volumes: own } = await catalog.loadManifest(catalog.resolve(image).version.manifestId);
    const { fit } = fitTo(head, diskBytes, 1);
    const moves = changesOf(own, fit!);
    const manifest = await lay(image, path, diskBytes, fit);
    const disk = diskOf(path);
    await finishFit(disk, moves);
    await applyLayout(disk, fit!.layout);
    const said: string[] = [];
    await repairBoot({
      ...{ disk, manifest, changes: moves, whyNoSystem: [], firmware: 'bios', keepNetbootFirst: false },
      signal: new AbortController().signal,
      say: (line: string) => void said.push(line),
    } as unknown as FinisherContext);
    assert.match(said[0]!, /^GRUB in the boot record: its core is at sector \d+ now, not 407552$/);
    return consoleOfBios(path, folder);
  };
  await linesOf(fitImage({ ...options, name: 'small', sizes: { toBytes: 160 * MiB } }));
  assert.match(await bootFrom('small', smaller, 160 * MiB), /BOOTED-FROM-LVM/);
  assert.match(await bootFrom('one', larger, 302 * MiB), /BOOTED-FROM-LVM/);
});
