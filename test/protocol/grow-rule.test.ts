import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesOf, fitTo } from '#protocol/fit.ts';
import { type GrowRule, whyNotGrown } from '#protocol/grow-rule.ts';
import type { Layout } from '#protocol/layout.ts';
import type { VolumeHead, Within } from '#protocol/manifest.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const PV: NonNullable<Within['pv']> = { extentBytes: 4 * MIB, extents: 2048, members: 1, areas: 1 };
const START = 513 * MIB;

/** An EFI partition of 512 MiB, then LVM of 8 GiB and its head: root, swap, home behind each other, from an extent on each. */
function debian(pv: Within['pv'] = PV): { layout: Layout; volumes: VolumeHead[] } {
  const partitions = [
    { number: 1, startSector: 2048, sectors: 512 * 2048, type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B' },
    { number: 2, startSector: START / 512, sectors: 8193 * 2048, type: 'E6D6D379-F507-44C2-A23C-238F2A3DF928' },
  ];
  const inLvm = (name: string, startMiB: number, sizeMiB: number, more: Partial<VolumeHead>): VolumeHead => ({
    ...{ kind: 'partition', partition: 2, within: { kind: 'lvm', name }, map: 'raw' },
    ...{ startBytes: START + startMiB * MIB, sizeBytes: sizeMiB * MIB, ...more },
  });
  const ext4 = { filesystem: 'ext4', map: 'partclone.extfs' };
  return {
    layout: { label: 'gpt', labelId: 'id', sectorBytes: 512, diskBytes: 10 * GIB, partitions },
    volumes: [
      {
        kind: 'partition',
        partition: 1,
        startBytes: MIB,
        sizeBytes: 512 * MIB,
        filesystem: 'vfat',
        map: 'partclone.fat',
      },
      inLvm('vg0', 0, 1, {
        filesystem: 'LVM2_member',
        within: { kind: 'lvm', name: 'vg0', ...(pv === undefined ? {} : { pv }) },
      }),
      inLvm('vg0/root', 1, 4096, ext4),
      inLvm('vg0/swap', 4097, 1024, { filesystem: 'swap', map: 'none', swap: { pageBytes: 4096 } }),
      inLvm('vg0/home', 5121, 2048, ext4),
      inLvm('vg0/data', 7169, 512, {}),
    ],
  };
}

/** What of LVM grows on a disk of 20 GiB, and by how many MiB. */
function grownBy(grow: GrowRule, source = debian()) {
  const { fit } = fitTo(source, 20 * GIB, grow);
  const [change] = changesOf(source.volumes, fit!);
  return change && { by: (change.sizeBytes - change.fromBytes) / MIB, ...Object.fromEntries(inner(change.volumes)) };
}

const inner = (volumes: readonly { name: string; fromBytes: number; sizeBytes: number }[] = []) =>
  volumes.map(({ name, fromBytes, sizeBytes }) => [name, (sizeBytes - fromBytes) / MIB]);

// 20 GiB without the EFI partition, LVM and a MiB each at both ends.
const MORE = 20 * 1024 - 8193 - 513 - 1;

test('a partition with LVM takes the room of a larger disk, and its last volume with a filesystem takes it from there', () => {
  const whole = Math.floor(MORE / 4) * 4;
  for (const grow of ['last', 2] as const) assert.deepEqual(grownBy(grow), { by: MORE, 'vg0/home': whole });
  assert.equal(grownBy('none'), undefined);
});

test('a volume that is named takes the room, with or without its partition', () => {
  const whole = Math.floor(MORE / 4) * 4;
  for (const grow of ['vg0/root', '2/vg0/root'] as const)
    assert.deepEqual(grownBy(grow), { by: MORE, 'vg0/root': whole });
});

test('in proportion, every volume with a filesystem takes its share in whole extents', () => {
  const { by, ...shares } = grownBy('proportional')!;
  const extents = Math.floor(MORE / 4);
  assert.equal(by, MORE);
  assert.deepEqual(shares, { 'vg0/root': Math.floor(extents * (2 / 3)) * 4, 'vg0/home': Math.floor(extents / 3) * 4 });
});

test('less than an extent moves nothing', () => {
  const source = debian();
  const { fit } = fitTo(source, source.layout.diskBytes, 'last');
  const endMiB = 513 + 8193 + 1;
  const small = fitTo(source, (endMiB + 3) * MIB, 'last');
  assert.deepEqual(changesOf(source.volumes, small.fit!), []);
  assert.equal(small.fit!.containers, undefined);
  assert.notEqual(fit!.containers, undefined);
});

test('LVM on a disk without a table grows over the whole disk', () => {
  const { volumes } = debian();
  const bare = volumes
    .filter(({ within }) => within !== undefined)
    .map(
      ({ partition: _, ...volume }): VolumeHead => ({ ...volume, kind: 'disk', startBytes: volume.startBytes - START }),
    );
  const layout: Layout = { label: 'none', sectorBytes: 512, diskBytes: 8193 * MIB, partitions: [] };
  const { fit } = fitTo({ layout, volumes: bare }, 20 * GIB, 'last');
  const [change] = changesOf(bare, fit!);
  assert.equal(change!.sizeBytes, 20 * GIB);
  assert.deepEqual(inner(change!.volumes), [['vg0/home', Math.floor((20 * 1024 - 8193) / 4) * 4]]);
});

test('what is named and cannot grow is told with the reason', () => {
  const { volumes } = debian();
  assert.equal(whyNotGrown(volumes, 'vg0/root'), undefined);
  assert.equal(whyNotGrown(volumes, 2), undefined);
  assert.match(whyNotGrown(volumes, 1)!, /no program here enlarges vfat/);
  assert.match(whyNotGrown(volumes, 'vg0/swap')!, /swap in LVM keeps its size/);
  assert.match(whyNotGrown(volumes, 'vg0/data')!, /what it holds is not known/);
  assert.match(whyNotGrown(volumes, 'vg1/root')!, /no such logical volume/);
  assert.match(whyNotGrown(volumes, '1/vg0/root')!, /no such logical volume/);
  assert.match(whyNotGrown(debian({ ...PV, members: 2 }).volumes, 'vg0/root')!, /2 physical volumes/);
  assert.match(whyNotGrown(debian({ ...PV, areas: 2 }).volumes, 2)!, /second copy of its metadata/);
  const special = volumes.map((one) => ({
    ...one,
    ...(one.within && { within: { ...one.within, special: true as const } }),
  }));
  assert.match(whyNotGrown(special, 'vg0/root')!, /thin pool, a snapshot/);
});

test('an image of before, which does not say how its LVM is divided, keeps its size', () => {
  const { volumes, layout } = debian();
  const old = volumes.map(({ within, ...volume }) => {
    const { pv: _, ...rest } = within ?? { kind: 'lvm' as const, name: '' };
    return within === undefined ? volume : { ...volume, within: rest };
  });
  assert.equal(grownBy('last', { layout, volumes: old }), undefined);
  assert.match(whyNotGrown(old, 2)!, /captured before that was noted/);
});

test('a mirror keeps its size', () => {
  const mirror: VolumeHead = {
    ...{ kind: 'partition', partition: 1, startBytes: MIB, sizeBytes: GIB, map: 'raw' },
    within: { kind: 'md', name: 'ab' },
  };
  assert.match(whyNotGrown([mirror], 1)!, /the other one is not on this disk/);
});

test('a filesystem in LUKS, and LVM in LUKS, grow with their partition', () => {
  const PAYLOAD = 16 * MIB;
  const { volumes, layout } = debian();
  const inLuks = volumes.map(
    (volume): VolumeHead =>
      volume.within === undefined
        ? volume
        : { ...volume, startBytes: volume.startBytes + PAYLOAD, within: { ...volume.within, luks: 'id' } },
  );
  assert.equal(grownBy('last', { layout, volumes: inLuks })!['vg0/home'], Math.floor((MORE - 16) / 4) * 4);
  const [, second] = layout.partitions;
  const only: VolumeHead = {
    ...{ kind: 'partition', partition: 2, startBytes: START + PAYLOAD, sizeBytes: second!.sectors * 512 - PAYLOAD },
    ...{ filesystem: 'ext4', map: 'partclone.extfs', within: { kind: 'luks', name: 'id' } },
  };
  const { fit } = fitTo({ layout, volumes: [volumes[0]!, only] }, 20 * GIB, 2);
  const [change] = changesOf([volumes[0]!, only], fit!);
  assert.deepEqual([change!.filesystem, change!.startBytes], ['crypto_LUKS', START + PAYLOAD]);
  assert.deepEqual(inner(change!.volumes), [['id', MORE]]);
  assert.equal(change!.sizeBytes, only.sizeBytes + MORE * MIB);
});

test('LVM with a LUKS container in a volume keeps its size', () => {
  const { volumes } = debian();
  const inner = volumes.map(
    (volume): VolumeHead =>
      volume.within?.name === 'vg0/home' ? { ...volume, within: { kind: 'luks', name: 'id' } } : volume,
  );
  assert.match(whyNotGrown(inner, 2)!, /one of its volumes is a container itself/);
});
