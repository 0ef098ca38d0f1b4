/** A real Debian on Btrfs, through the whole road: its disk becomes larger and smaller, and it comes up by each firmware as the machine it is on. */
import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DebianWords, readDebianWords } from '#lab/debian-root.ts';
import { buildDebianSystem, DEBIAN_DISK_BYTES } from '#lab/debian-system.ts';
import { bootDisk } from '#lab/disk-boot.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { noVm, VmRoad } from './vm-road.ts';

const MIB = 1024 * 1024;
const MORE_BYTES = 700 * MIB;
const SMALL_BYTES = 900 * MIB;
const FINISHERS = ['--finishers', 'hostname,machine-id,boot'];
const isWell = { filesystem: 'btrfs', swapBytes: 64 * MIB - 4096, failed: [], damaged: [] };

test('a Debian on Btrfs boots after deployment to a larger and to a smaller disk, under BIOS and UEFI', {
  skip: noVm,
}, async (t) => {
  const hosts = { firmwares: ['uefi'], lightHosts: ['golden', 'small'] } as const;
  const road = await VmRoad.build(t, { ...hosts, diskBytes: DEBIAN_DISK_BYTES, moreDiskBytes: MORE_BYTES });
  const { lab, rack, assets } = road;
  const disk = { golden: lab.diskOf(lab.host('golden')), small: lab.diskOf(lab.host('small')) };
  truncateSync(disk.small, SMALL_BYTES);
  await buildDebianSystem({ kind: 'btrfs', path: disk.golden, assets, say: (line) => t.diagnostic(line) });
  const vm = road.vm('uefi');
  for (const name of hosts.lightHosts) lab.powerOn(lab.host(name));
  rack.powerOn(vm);
  await Promise.all(['golden', 'small', 'uefi'].map((name) => road.untilRegistered(name)));
  await road.cli(['capture', 'golden', '--as', 'debian']);
  /** What it says at the end of its boot, without a network. */
  const boot = async (firmware: 'bios' | 'uefi', name: string, path: string): Promise<DebianWords> => {
    const folder = join(lab.folder.path, `boot-${name}-${firmware}`);
    const words = readDebianWords(await bootDisk({ firmware, disk: path, folder }));
    assert.ok(words !== undefined, `${name} has come to its end under ${firmware}`);
    return words;
  };

  await t.test('larger: by the network under UEFI, it grows and boots from its disk', async () => {
    const { tasks } = await road.deploy('debian', ['uefi'], ['--grow', 'last', ...FINISHERS]);
    const { fitted, finishers } = tasks[0]!.deployResult!;
    assert.deepEqual(
      fitted!.map(({ partition, filesystem, check }) => [partition, filesystem, check]),
      [
        [3, 'btrfs', 'clean'],
        [4, 'swap', undefined],
      ],
    );
    assert.deepEqual(outcomes(tasks[0]!), ['hostname done', 'machine-id done', 'boot done']);
    const said = finishers!.at(-1)!.log;
    assert.match(said, /EFI\/BOOT\/BOOTX64\.EFI is made from EFI\/debian\/shimx64\.efi/);
    assert.match(said, /boot entries: removed 0, made debian; order /);
    await road.untilOff(vm);
    const words = readDebianWords(rack.serialText(vm))!;
    const rootBytes = fitted![0]!.sizeBytes;
    assert.ok(rootBytes > DEBIAN_DISK_BYTES);
    const { entry: _entry, ...others } = words;
    assert.deepEqual(others, { ...isWell, hostname: 'uefi', firmware: 'uefi', rootBytes });
    const bios = await boot('bios', 'larger', rack.diskOf(vm));
    assert.deepEqual(bios, { ...isWell, hostname: 'uefi', firmware: 'bios', entry: '', rootBytes });
  });

  await t.test('smaller: fitted on the server, it boots by both', async () => {
    await road.cli(['image', 'fit', 'debian', '--to', String(SMALL_BYTES), '--as', 'debian-small']);
    const { tasks } = await road.deploy('debian-small', ['small'], [...FINISHERS, '--on-done', 'stay']);
    assert.deepEqual(outcomes(tasks[0]!), ['hostname done', 'machine-id done', 'boot done']);
    const both = await Promise.all((['bios', 'uefi'] as const).map((firmware) => boot(firmware, 'small', disk.small)));
    for (const words of both) {
      assert.ok(words.rootBytes < SMALL_BYTES);
      assert.deepEqual(words, {
        ...{ ...isWell, hostname: 'small', rootBytes: words.rootBytes },
        ...{ firmware: words.firmware, entry: words.entry },
      });
    }
    assert.deepEqual(
      both.map(({ firmware }) => firmware),
      ['bios', 'uefi'],
    );
  });
});

function outcomes({ deployResult }: SessionView['tasks'][number]): string[] {
  return deployResult!.finishers!.map(({ name, outcome }) => `${name} ${outcome}`);
}
