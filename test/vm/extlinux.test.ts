/** EXTLINUX in a volume that a fit has moved: it boots from its new place, by real firmware. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repairBoot } from '#agent/finishers/boot.ts';
import type { FinisherContext } from '#agent/finishers/finisher.ts';
import { bootDisk } from '#lab/disk-boot.ts';
import { runOnWorkbench } from '#lab/workbench.ts';
import type { Volume } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const SIZE = 24 * MiB;
const [FROM, TO] = [MiB, 9 * MiB];
const WORDS = 'EXTLINUX-HAS-MOVED';
/** Boot record of the disk: it starts the active partition. */
const MBR = '/usr/lib/syslinux/mbr/mbr.bin';

const MAKE = `
set -e
/usr/sbin/mke2fs -q -t ext4 -O ^64bit,^metadata_csum /dev/vda1
mount -t ext4 /dev/vda1 /mnt; mkdir -p /mnt/boot/extlinux
printf 'SERIAL 0 115200\\nSAY ${WORDS}\\nPROMPT 1\\n' >/mnt/boot/extlinux/extlinux.conf
extlinux --install /mnt/boot/extlinux
cp /usr/lib/syslinux/modules/bios/ldlinux.c32 /mnt/boot/extlinux/
umount /mnt
`;

const table = (startBytes: number) =>
  `label: dos\n\nstart=${startBytes / 512}, size=${SIZE / 512}, type=83, bootable\n`;

test('an EXTLINUX whose volume has moved boots from its new place', { skip: noVm }, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const [source, target] = [join(folder, 'source.img'), join(folder, 'target.img')];
  makeEmptyFile(source, FROM + SIZE);
  await run(['sfdisk', '--quiet', source], { input: table(FROM) });
  const made = await runOnWorkbench({ assets, workDir: join(folder, 'bench'), disks: [source], script: MAKE });
  assert.equal(made.exitCode, 0, made.output);

  // As a deployment leaves it: the volume's bytes at its new place.
  makeEmptyFile(target, TO + SIZE);
  await run(['sfdisk', '--quiet', target], { input: table(TO) });
  writeInto(target, 0, readFileSync(MBR));
  writeInto(target, TO, readFileSync(source).subarray(FROM, FROM + SIZE));
  const said: string[] = [];
  const place = { partition: 1, filesystem: 'ext4', sizeBytes: SIZE };
  const change = { ...place, fromStartBytes: FROM, startBytes: TO, fromBytes: SIZE };
  const context = {
    ...{ disk: diskOf(target), changes: [change], whyNoSystem: [], firmware: 'bios', keepNetbootFirst: false },
    manifest: {
      head: { layout: { partitions: [] } },
      volumes: [{ ...place, kind: 'partition', startBytes: TO } as unknown as Volume],
    },
    signal: new AbortController().signal,
    say: (line: string) => void said.push(line),
  } as unknown as FinisherContext;
  await repairBoot(context);
  assert.deepEqual(said, [`EXTLINUX in partition 1: it begins at sector ${TO / 512} now`]);
  const boot = { firmware: 'bios', disk: target, folder: join(folder, 'boot'), until: WORDS } as const;
  assert.match(await bootDisk(boot), new RegExp(WORDS));
});
