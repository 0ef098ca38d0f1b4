/** A real Debian on LVM in LUKS, through the whole road: captured open, laid in containers with a key of their own, larger and smaller. */
import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DebianWords, readDebianWords } from '#lab/debian-root.ts';
import { buildDebianSystem, DEBIAN_DISK_BYTES, DEBIAN_PASSPHRASE } from '#lab/debian-system.ts';
import { bootDisk } from '#lab/disk-boot.ts';
import { noVm, VmRoad } from './vm-road.ts';

const MIB = 1024 * 1024;
const MORE_BYTES = 700 * MIB;
const SMALL_BYTES = 1000 * MIB;
const PASSPHRASE = 'the passphrase of room 101';
const ASKS = 'Please unlock disk vda4_crypt:';
const isWell = { filesystem: 'ext4', failed: [], damaged: [] };
const DEPLOY = ['--finishers', 'hostname,machine-id,boot', '--luks-secret', 'room'];

test('a Debian on LVM in LUKS boots after deployment to a larger and to a smaller disk, under BIOS and UEFI', {
  skip: noVm,
}, async (t) => {
  const firmwares = ['bios', 'uefi'] as const;
  const road = await VmRoad.build(t, {
    ...{ firmwares, golden: 'bios', lightHosts: [], diskBytes: DEBIAN_DISK_BYTES, moreDiskBytes: MORE_BYTES },
  });
  const { lab, rack, assets } = road;
  for (const [name, text] of Object.entries({ golden: DEBIAN_PASSPHRASE, room: PASSPHRASE })) {
    const file = join(lab.folder.path, `${name}.secret`);
    writeFileSync(file, text);
    await road.cli(['secret', 'add', name, '--from-file', file]);
  }
  const [small, large] = [road.vm('bios'), road.vm('uefi')];
  const golden = rack.machines.find(({ name }) => name === 'golden')!;
  const say = (line: string) => t.diagnostic(line);
  await buildDebianSystem({ kind: 'lvm-on-luks', path: rack.diskOf(golden), assets, say });
  truncateSync(rack.diskOf(small), SMALL_BYTES);
  rack.powerOn(golden);
  await road.untilRegistered('golden');
  await road.cli(['capture', 'golden', '--as', 'debian', '--luks-secret', 'golden']);
  await road.cli(['image', 'fit', 'debian', '--to', String(SMALL_BYTES), '--as', 'debian-small']);
  await rack.cutPower(golden);

  /** What it says at the end of its boot, without a network. */
  const boot = async (firmware: 'bios' | 'uefi', disk: string): Promise<DebianWords | undefined> => {
    const folder = join(lab.folder.path, `boot-${firmware}`);
    return readDebianWords(await bootDisk({ firmware, disk, folder, answer: { asks: ASKS, line: PASSPHRASE } }));
  };

  await t.test('both are laid, ask for the passphrase of the room, and boot as themselves', async () => {
    for (const vm of [small, large]) rack.powerOn(vm);
    await Promise.all(['bios', 'uefi'].map((name) => road.untilRegistered(name)));
    const [larger, smaller] = await Promise.all([
      road.deploy('debian', ['uefi'], ['--grow', 'last', ...DEPLOY]),
      road.deploy('debian-small', ['bios'], DEPLOY),
    ]);
    for (const { tasks } of [larger, smaller]) {
      assert.deepEqual(
        tasks[0]!.deployResult!.finishers!.map(({ name, outcome }) => `${name} ${outcome}`),
        ['hostname done', 'machine-id done', 'boot done'],
      );
      assert.deepEqual(
        tasks[0]!.deployResult!.containers!.map(({ kind, whyNot, volumes }) => [
          kind,
          whyNot,
          volumes.map(({ check }) => check),
        ]),
        [
          ['luks', undefined, []],
          ['lvm', undefined, ['clean']],
        ],
      );
    }
    await Promise.all([small, large].map((vm) => road.untilAnsweredAndOff(vm, ASKS, PASSPHRASE)));
    const words = readDebianWords(rack.serialText(large))!;
    assert.deepEqual([words.hostname, words.firmware], ['uefi', 'uefi']);
    assert.ok(words.rootBytes > 1200 * MIB, `${words.rootBytes}`);
    const less = readDebianWords(rack.serialText(small))!;
    assert.deepEqual([less.hostname, less.firmware], ['bios', 'bios']);
    assert.ok(less.rootBytes < 800 * MIB, `${less.rootBytes}`);
    for (const { filesystem, failed, damaged } of [words, less]) {
      assert.deepEqual({ filesystem, failed, damaged }, isWell);
    }
  });

  await t.test('each of them boots by the other firmware too', async () => {
    const [bios, uefi] = await Promise.all([boot('bios', rack.diskOf(large)), boot('uefi', rack.diskOf(small))]);
    assert.deepEqual([bios?.hostname, bios?.firmware], ['uefi', 'bios']);
    assert.deepEqual([uefi?.hostname, uefi?.firmware], ['bios', 'uefi']);
  });
});
