/** A GRUB for BIOS whose core was moved by a fit: it boots from its new place, by real firmware, to what its grub.cfg says. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repairBoot } from '#agent/finishers/boot.ts';
import type { FinisherContext } from '#agent/finishers/finisher.ts';
import { changesOf, fitTo } from '#protocol/fit.ts';
import type { Layout } from '#protocol/layout.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const GRUB = '/usr/lib/grub/i386-pc';
const ROOT = { startBytes: MiB, sizeBytes: 16 * MiB };
const CORE = { startBytes: 17 * MiB, sizeBytes: MiB };
const SOURCE_BYTES = 20 * MiB;
const TARGET_BYTES = 52 * MiB;
/** The one that boots is off by itself, after 2 s when alone; the other one hangs for ever. */
const LIMIT_S = 120;
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

/** Its core with the settings that grub-install would embed, and where grub-bios-setup(8) writes the numbers. */
async function makeLoader(folder: string): Promise<{ boot: Buffer; core: Buffer }> {
  const config = ['serial', 'terminal_output serial', 'search --no-floppy --label grubroot --set=root'];
  writeFileSync(join(folder, 'early.cfg'), [...config, 'configfile /boot/grub/grub.cfg', ''].join('\n'));
  const modules = ['biosdisk', 'part_gpt', 'ext2', 'serial', 'terminal', 'configfile', 'echo', 'halt', 'search'];
  const core = join(folder, 'core.img');
  const format = ['-O', 'i386-pc', '-d', GRUB, '-o', core, '-p', '/boot/grub', '-c', join(folder, 'early.cfg')];
  await run(['grub-mkimage', ...format, ...modules, 'search_label', 'normal']);
  const bytes = readFileSync(core);
  const first = CORE.startBytes / 512;
  const boot = readFileSync(join(GRUB, 'boot.img'));
  boot.writeBigUInt64LE(BigInt(first), 0x5c);
  bytes.writeBigUInt64LE(BigInt(first + 1), 0x1f4);
  bytes.writeUInt16LE(Math.ceil(bytes.length / 512) - 1, 0x1fc);
  return { boot: boot.subarray(0, 440), core: bytes };
}

test('a GRUB that a fit has moved boots from its new place', { skip: noVm }, async (t) => {
  const folder = tempFolder(t);
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'boot/grub'), { recursive: true });
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), 'echo MOVED-AND-BOOTED\nhalt\n');
  const root = join(folder, 'root.img');
  makeEmptyFile(root, ROOT.sizeBytes);
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'grubroot', '-d', tree, root]);
  const { boot, core } = await makeLoader(folder);
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
    await consoleOf(copy, folder, HANGS_S),
    /MOVED-AND-BOOTED/,
    'without the repair it would not boot',
  );
  assert.match(await consoleOf(disk, folder, LIMIT_S), /MOVED-AND-BOOTED/);
});

/** What a machine that boots the disk says on its serial port before it is off, or hangs. */
async function consoleOf(disk: string, folder: string, limitS: number): Promise<string> {
  const log = join(folder, 'console.log');
  const argv = [
    ...[
      'qemu-system-x86_64',
      '-accel',
      'tcg',
      '-M',
      'pc',
      '-m',
      '64',
      '-display',
      'none',
      '-nic',
      'none',
      '-no-reboot',
    ],
    ...['-drive', `file=${disk},format=raw,if=virtio,snapshot=on`, '-serial', `file:${log}`, '-boot', 'c'],
  ];
  await run(['timeout', String(limitS), ...argv], { limitMs: 2 * LIMIT_S * 1000, okCodes: [0, 124] });
  return readFileSync(log, 'latin1');
}
