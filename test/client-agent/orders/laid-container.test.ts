import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containersOn, lookAt, volumeIn } from '#agent/orders/laid-container.ts';
import type { Layout } from '#protocol/layout.ts';
import type { LuksContainer } from '#protocol/luks-container.ts';
import type { VolumeHead, Within } from '#protocol/manifest.ts';

const MiB = 1024 * 1024;

/** Partitions of 100 MiB, one behind the other from the first MiB. */
function layoutOf(partitions: number): Layout {
  return {
    ...{ label: 'gpt', sectorBytes: 512, diskBytes: (partitions * 100 + 2) * MiB },
    partitions: Array.from({ length: partitions }, (_, i) => ({
      ...{ number: i + 1, startSector: (1 + i * 100) * 2048, sectors: 100 * 2048, type: 'L' },
    })),
  } as unknown as Layout;
}

/** A part of partition `partition` that begins `at` MiB behind its start. */
function part(partition: number, at: number, within?: Within, more: Partial<VolumeHead> = {}): VolumeHead {
  return {
    ...{ kind: 'partition', partition, startBytes: (1 + (partition - 1) * 100 + at) * MiB, sizeBytes: MiB, map: 'raw' },
    ...(within === undefined ? {} : { within }),
    ...more,
  };
}

const lvm = (name: string, more: Partial<Within> = {}): Within => ({ kind: 'lvm', name, ...more });
const ext4 = { filesystem: 'ext4', map: 'partclone.extfs' };

test('a container is activated from all of its partition, also when its second metadata lies at the end', () => {
  const volumes = [
    part(1, 0, lvm('lab')),
    part(1, 1, lvm('lab/root'), ext4),
    part(1, 99, lvm('lab')),
    part(2, 0, undefined, ext4),
  ];
  assert.deepEqual(containersOn({ layout: layoutOf(2), volumes }), {
    places: [{ kind: 'lvm', name: 'lab', partition: 1, startBytes: MiB, sizeBytes: 100 * MiB }],
    others: [],
  });
});

test('LVM on a mirror is activated from the mirror, and in a LUKS container from its payload', () => {
  const [md, luks] = [{ kind: 'md', name: 'a'.repeat(32) } as const, '6ba7b810-9dad-11d1-80b4-00c04fd430c8'];
  const container = {
    kind: 'luks',
    uuid: luks,
    partition: 2,
    startBytes: 101 * MiB,
    sizeBytes: 100 * MiB,
    payloadOffsetBytes: 16 * MiB,
  };
  const volumes = [
    part(1, 0, md, { filesystem: 'linux_raid_member' }),
    part(1, 1, lvm('two')),
    part(1, 2, lvm('two/root'), ext4),
    part(2, 16, lvm('vault', { luks })),
    part(2, 17, lvm('vault/root', { luks }), ext4),
  ];
  const { places, others } = containersOn({ layout: layoutOf(2), volumes, containers: [container as LuksContainer] });
  assert.deepEqual(
    places.map(({ kind, name, startBytes, mirror }) => [kind, name, startBytes / MiB, mirror]),
    [
      ['luks', luks, 117, undefined],
      ['md', md.name, 1, undefined],
      ['lvm', 'two', 1, md.name],
      ['lvm', 'vault', 117, undefined],
    ],
  );
  assert.deepEqual(others, []);
  assert.deepEqual(
    places.slice(0, 2).map((place) => volumeIn(volumes, place)),
    [undefined, undefined],
  );
});

test('both halves of a mirror on one disk are started, and the LVM on it from one of them', () => {
  const md = { kind: 'md', name: 'c'.repeat(32) } as const;
  const volumes = [1, 2].flatMap((partition) => [part(partition, 0, md), part(partition, 1, lvm('two'))]);
  const { places } = containersOn({ layout: layoutOf(2), volumes });
  assert.deepEqual(
    places.map(({ kind, partition }) => [kind, partition]),
    [
      ['md', 1],
      ['lvm', 1],
      ['md', 2],
    ],
  );
});

test('what nobody can activate is named with the reason: carried raw, or within what is not understood', () => {
  const volumes = [
    part(1, 0, undefined, { filesystem: 'LVM2_member' }),
    part(2, 0, undefined, { filesystem: 'crypto_LUKS' }),
    part(3, 0, lvm('outer')),
    part(3, 5, { kind: 'md', name: 'b'.repeat(32) }),
  ];
  const { places, others } = containersOn({ layout: layoutOf(3), volumes });
  assert.deepEqual(
    places.map(({ name }) => name),
    ['outer'],
  );
  assert.deepEqual(
    others.map(({ kind, partition, whyNot }) => [kind, partition, whyNot]),
    [
      ['md', 3, 'it lies within another container'],
      ['lvm', 1, 'it is carried as it is, not understood'],
      ['luks', 2, 'it is carried as it is, encrypted'],
    ],
  );
});

test('only what was known to be sound when it was captured is held to it', () => {
  assert.equal(lookAt(part(1, 1, lvm('lab/root'), ext4)), 'check');
  assert.deepEqual(lookAt(part(1, 1, lvm('lab/root'), { filesystem: 'ext4' })), {
    why: 'it was taken raw, as one whose state was unknown or not clean',
  });
  assert.equal(
    lookAt(part(1, 1, lvm('lab/swap'), { filesystem: 'swap', map: 'none', swap: { pageBytes: 4096 } })),
    'none',
  );
  assert.equal(lookAt(part(1, 1, lvm('lab/blank'))), 'none');
  assert.equal(lookAt(part(1, 1, lvm('lab/origin', { special: true }))), 'probe');
  assert.equal(lookAt(undefined), 'probe');
});
