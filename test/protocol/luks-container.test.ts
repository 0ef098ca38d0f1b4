/** Where LUKS containers lie on another disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitTo, placeManifest } from '#protocol/fit.ts';
import type { Layout } from '#protocol/layout.ts';
import { payloadOf, placeContainers } from '#protocol/luks-container.ts';
import { decodeManifest, encodeManifest } from '#protocol/manifest.ts';
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
