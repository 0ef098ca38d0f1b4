/** Where LUKS containers lie on another disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesOf, fitTo, placeManifest } from '#protocol/fit.ts';
import { whyNotGrown } from '#protocol/grow-rule.ts';
import type { Layout } from '#protocol/layout.ts';
import { payloadOf, placeContainers } from '#protocol/luks-container.ts';
import { decodeManifest, encodeManifest, type VolumeHead } from '#protocol/manifest.ts';
import { goldenContainers } from './golden-values.ts';

const MIB = 1024 * 1024;
const [template] = goldenContainers;

function layoutWith(...places: readonly (readonly [startMiB: number, sizeMiB: number])[]): Layout {
  const partitions = places.map(([start, size], i) => {
    return { number: i + 1, startSector: start * 2048, sectors: size * 2048, type: 'linux' };
  });
  return { label: 'gpt', sectorBytes: 512, diskBytes: 1024 * MIB, partitions };
}

function containerAt(startMiB: number, sizeMiB: number, partition = 2) {
  return { ...template!, partition, startBytes: startMiB * MIB, sizeBytes: sizeMiB * MIB };
}

test('a container moves with its partition and is all of it again', () => {
  const [placed] = placeContainers(
    [containerAt(101, 200)],
    layoutWith([1, 100], [101, 200]),
    layoutWith([1, 150], [151, 300]),
  );
  assert.deepEqual([placed!.startBytes, placed!.sizeBytes], [151 * MIB, 300 * MIB]);
  assert.deepEqual(payloadOf(placed!), { startBytes: 167 * MIB, sizeBytes: 284 * MIB });
});

test('one in a part of its partition keeps its size', () => {
  const [placed] = placeContainers(
    [containerAt(102, 50)],
    layoutWith([1, 100], [101, 200]),
    layoutWith([1, 150], [151, 300]),
  );
  assert.deepEqual([placed!.startBytes, placed!.sizeBytes], [152 * MIB, 50 * MIB]);
});

test('what lies in a container that a fit moves lies in it still', () => {
  const layout = layoutWith([1, 100], [101, 200]);
  const container = containerAt(101, 200);
  const plain = {
    kind: 'partition',
    partition: 1,
    startBytes: MIB,
    sizeBytes: 100 * MIB,
    filesystem: 'ext4',
    map: 'partclone.extfs',
  } as const;
  const inner = {
    ...plain,
    partition: 2,
    ...payloadOf(container),
    within: { kind: 'luks', name: container.uuid },
  } as const;
  const volumes = [plain, inner].map((head) => ({ head, extents: new Float64Array() }));
  const head = { chunkBytes: 262_144, hash: 'blake3-256' as const, layout, containers: [container] };
  const manifest = decodeManifest(encodeManifest(head, volumes, Buffer.alloc(0)));
  const { fit } = fitTo(manifest.head, 2048 * MIB, 1);
  const placed = placeManifest(manifest, fit);
  const [moved] = placed.head.containers!;
  assert.ok(moved!.startBytes > container.startBytes);
  assert.equal(payloadOf(moved!).startBytes, placed.volumes[1]!.startBytes);
});

const uuid = template!.uuid;
/** Partition 2 is a LUKS container; what lies in its payload is given as offsets from it. */
function imageWith(
  ...inner: readonly (Pick<VolumeHead, 'within' | 'filesystem' | 'map'> & { atMiB: number; sizeMiB: number })[]
) {
  const container = containerAt(101, 200);
  const { startBytes } = payloadOf(container);
  const volumes: VolumeHead[] = inner.map(({ atMiB, sizeMiB, ...head }) => {
    return { kind: 'partition', partition: 2, startBytes: startBytes + atMiB * MIB, sizeBytes: sizeMiB * MIB, ...head };
  });
  return { layout: layoutWith([1, 100], [101, 200]), volumes, containers: [container] };
}

const ext4 = { filesystem: 'ext4', map: 'partclone.extfs' };
const pv = { extentBytes: 4 * MIB, extents: 45, members: 1, areas: 1 };
const lvm = [
  {
    atMiB: 0,
    sizeMiB: 1,
    filesystem: 'LVM2_member',
    map: 'raw',
    within: { kind: 'lvm', name: 'vault', luks: uuid, pv },
  },
  { atMiB: 1, sizeMiB: 100, ...ext4, within: { kind: 'lvm', name: 'vault/root', luks: uuid } },
] as const;

test('a filesystem in a LUKS container grows with its partition, header and all', () => {
  const { layout, volumes } = imageWith({ atMiB: 0, sizeMiB: 184, ...ext4, within: { kind: 'luks', name: uuid } });
  const { fit } = fitTo({ layout, volumes }, 2048 * MIB, 'last');
  const [change] = changesOf(volumes, fit!);
  const partition = fit!.layout.partitions[1]!;
  assert.equal(change!.startBytes + change!.sizeBytes, (partition.startSector + partition.sectors) * 512);
  assert.deepEqual([change!.filesystem, change!.startBytes, change!.fromBytes], ['crypto_LUKS', 117 * MIB, 184 * MIB]);
  assert.ok(change!.sizeBytes > 1024 * MIB);
});

test('a logical volume in a LUKS container grows by what its partition gets', () => {
  const { layout, volumes, containers } = imageWith(...lvm);
  const { fit } = fitTo({ layout, volumes }, 2048 * MIB, 'vault/root');
  const [grown] = fit!.containers!;
  const [placed] = placeContainers(containers, layout, fit!.layout);
  assert.deepEqual(payloadOf(placed!), { startBytes: grown!.startBytes, sizeBytes: grown!.sizeBytes });
  assert.equal(grown!.volumes[0]!.name, 'vault/root');
  assert.ok(grown!.volumes[0]!.sizeBytes > 1024 * MIB);
});

test('a group with a LUKS container among its volumes keeps its size', () => {
  const { layout, volumes } = imageWith(
    { ...lvm[0], within: { kind: 'lvm', name: 'vault', pv } },
    { ...lvm[1], within: { kind: 'luks', name: uuid } },
  );
  assert.equal(fitTo({ layout, volumes }, 2048 * MIB, 'last').fit?.containers, undefined);
  assert.match(whyNotGrown(volumes, 2)!, /one of its volumes is a container/);
});
