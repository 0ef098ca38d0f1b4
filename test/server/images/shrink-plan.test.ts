import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Layout } from '#protocol/layout.ts';
import { payloadOf, placeContainers } from '#protocol/luks-container.ts';
import type { Volume, Within } from '#protocol/manifest.ts';
import { changesOfPlan, planShrink } from '#server/images/shrink-plan.ts';
import { goldenContainers } from '../../protocol/golden-values.ts';

const MIB = 1024 * 1024;

interface Part {
  readonly filesystem: string;
  readonly mib: number;
  readonly usedMib: number;
}

function imageOf(parts: readonly Part[]) {
  let atMib = 1;
  const volumes: Volume[] = parts.map(({ filesystem, mib, usedMib }, i) => {
    const startBytes = atMib * MIB;
    atMib += mib;
    return {
      ...{ kind: 'partition', partition: i + 1, startBytes, sizeBytes: mib * MIB, filesystem },
      ...{ map: `partclone.${filesystem}`, extents: Float64Array.from([0, usedMib * MIB]) },
      ...{ indices: new Uint32Array(0), firstOrdinal: 0 },
    };
  });
  const partitions = volumes.map(({ partition, startBytes, sizeBytes }) => ({
    ...{ number: partition!, startSector: startBytes / 512, sectors: sizeBytes / 512, type: 'T' },
  }));
  const layout: Layout = { label: 'gpt', sectorBytes: 512, diskBytes: (atMib + 1) * MIB, partitions };
  return { head: { layout }, volumes };
}

test('the filesystem with the most free space gives, and only as much as is needed', () => {
  const image = imageOf([
    { filesystem: 'ext4', mib: 2000, usedMib: 1000 },
    { filesystem: 'ntfs', mib: 8000, usedMib: 1000 },
    { filesystem: 'xfs', mib: 1000, usedMib: 10 },
  ]);
  const { plan } = planShrink(image, 9000 * MIB);
  assert.deepEqual(plan?.shrunk, [1]);
  assert.deepEqual(
    plan?.fit.places.map(({ startBytes, sizeBytes }) => [startBytes / MIB, sizeBytes / MIB]),
    [
      [1, 2000],
      [2001, 5998],
      [7999, 1000],
    ],
  );
});

test('when one filesystem is not enough, the next gives too', () => {
  const image = imageOf([
    { filesystem: 'ext4', mib: 4000, usedMib: 1000 },
    { filesystem: 'ntfs', mib: 4000, usedMib: 1000 },
  ]);
  assert.deepEqual(planShrink(image, 3000 * MIB).plan?.shrunk, [0, 1]);
});

test('a least size that is known better than from the manifest is kept to', () => {
  const image = imageOf([{ filesystem: 'ext4', mib: 4000, usedMib: 100 }]);
  assert.ok(planShrink(image, 1000 * MIB).plan);
  assert.equal(planShrink(image, 1000 * MIB, new Map([[0, 1500 * MIB]])).least?.bytes, 1501 * MIB + 33 * 512);
});

test('what was taken raw, and what no program shrinks, stays; the least size is told for each partition', () => {
  const image = imageOf([
    { filesystem: 'xfs', mib: 2000, usedMib: 10 },
    { filesystem: 'ext4', mib: 2000, usedMib: 1000 },
  ]);
  const raw = { ...image, volumes: image.volumes.map((volume) => ({ ...volume, map: 'raw' })) };
  assert.equal(planShrink(raw, 3000 * MIB).least?.bytes, 4001 * MIB + 33 * 512);
  assert.equal(
    planShrink(image, 3000 * MIB).least?.why,
    'partition 1 (xfs) stays at 2000 MiB, partition 2 (ext4) needs about 1058 MiB',
  );
});

test('a plan always fits its disk, and the least size that is told always has a plan', () => {
  const parts = fc.array(
    fc.record({
      filesystem: fc.constantFrom('ext4', 'ntfs', 'btrfs', 'xfs', 'vfat'),
      mib: fc.integer({ min: 300, max: 9000 }),
      usedMib: fc.integer({ min: 1, max: 300 }),
    }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(parts, fc.double({ min: 0.05, max: 0.99, noNaN: true }), (some, share) => {
      const image = imageOf(some);
      const toBytes = Math.floor((image.head.layout.diskBytes * share) / 512) * 512;
      const { plan, least } = planShrink(image, toBytes);
      if (least !== undefined) {
        assert.ok(least.bytes > toBytes);
        const again = planShrink(image, least.bytes);
        assert.ok(again.plan !== undefined || least.bytes >= image.head.layout.diskBytes - 2 * MIB);
        return;
      }
      for (const [i, { startBytes, sizeBytes }] of plan!.fit.places.entries()) {
        assert.ok(sizeBytes <= image.volumes[i]!.sizeBytes);
        assert.ok(sizeBytes === image.volumes[i]!.sizeBytes || plan!.shrunk.includes(i));
        assert.ok(startBytes + sizeBytes + 33 * 512 <= toBytes);
      }
    }),
    { numRuns: 300 },
  );
});

/** A partition of 8 GiB with LVM: volumes as [name, MiB, used MiB, more], the rest is free. */
function lvmOf(parts: readonly [name: string, mib: number, usedMib: number, more?: Partial<Within>][], pv = PV) {
  const startBytes = MIB;
  let atMib = 1;
  const within = { kind: 'lvm', name: 'vg' } as const;
  const base = { kind: 'partition', partition: 1, indices: new Uint32Array(0), firstOrdinal: 0 } as const;
  const volumes: Volume[] = parts.map(([name, mib, usedMib, more]) => {
    const at = startBytes + atMib * MIB;
    atMib += mib;
    const extents = Float64Array.from([0, usedMib * MIB]);
    const filesystem = { filesystem: 'ext4', map: 'partclone.extfs' };
    return {
      ...base,
      ...filesystem,
      startBytes: at,
      sizeBytes: mib * MIB,
      extents,
      within: { ...within, name: `vg/${name}`, ...more },
    };
  });
  const head: Volume = {
    ...base,
    startBytes,
    sizeBytes: MIB,
    map: 'raw',
    extents: new Float64Array(0),
    within: { ...within, pv },
  };
  const partitions = [{ number: 1, startSector: 2048, sectors: 8193 * 2048, type: 'T' }];
  const layout: Layout = { label: 'gpt', sectorBytes: 512, diskBytes: 8195 * MIB, partitions };
  return { head: { layout }, volumes: [head, ...volumes] };
}

const PV: NonNullable<Within['pv']> = { extentBytes: 4 * MIB, extents: 2048, members: 1, areas: 1 };

test('of LVM the free extents go before any filesystem in it', () => {
  const image = lvmOf([
    ['root', 4000, 1000],
    ['home', 2000, 100],
  ]);
  const { plan } = planShrink(image, 7000 * MIB);
  assert.deepEqual(
    plan!.containers[0]!.packed!.map(({ startExtent, extents }) => [startExtent, extents]),
    [
      [0, 1000],
      [1000, 500],
    ],
  );
  assert.equal(plan!.containers[0]!.sizeBytes, 6998 * MIB);
  assert.equal(changesOfPlan(image.volumes, plan!)[0]!.volumes, undefined);
});

test('then the volume with the most free space gives, in whole extents', () => {
  const image = lvmOf([
    ['root', 4000, 1000],
    ['home', 2000, 100],
  ]);
  const { plan } = planShrink(image, 5000 * MIB);
  const [change] = changesOfPlan(image.volumes, plan!);
  assert.deepEqual(
    change!.volumes!.map(({ name, sizeBytes }) => [name, sizeBytes / MIB]),
    [['vg/root', 2996]],
  );
  assert.equal(planShrink(image, 1500 * MIB).plan!.containers[0]!.packed!.length, 2);
  assert.deepEqual(
    planShrink(image, 1000 * MIB).least!.why,
    'partition 1 (LVM vg) needs about 1177 MiB (vg/root 1060 MiB, vg/home 116 MiB)',
  );
});

test('where a volume is more than bytes in a row, only the free end of LVM is cut off', () => {
  const image = lvmOf([
    ['root', 4000, 1000],
    ['pool_tdata', 2000, 100, { special: true }],
  ]);
  const [cut] = planShrink(image, 7000 * MIB).plan!.containers;
  assert.equal(cut!.packed, undefined);
  assert.match(planShrink(image, 5000 * MIB).least!.why, /needs about 6001 MiB: it has a thin pool, a snapshot/);
});

test('a group with several physical volumes keeps its size', () => {
  const image = lvmOf([['root', 4000, 1000]], { ...PV, members: 2 });
  const { least } = planShrink(image, 7000 * MIB);
  assert.equal(least!.bytes, 8194 * MIB + 33 * 512);
  assert.match(least!.why, /partition 1 \(LVM vg\) stays at 8193 MiB: its LVM group has 2 physical volumes/);
});

test('a filesystem in LUKS becomes smaller with its partition, behind the header', () => {
  const PAYLOAD = 16 * MIB;
  const partitions = [{ number: 1, startSector: 2048, sectors: 4000 * 2048, type: 'T' }];
  const volume: Volume = {
    ...{
      kind: 'partition',
      partition: 1,
      startBytes: MIB + PAYLOAD,
      sizeBytes: 4000 * MIB - PAYLOAD,
      filesystem: 'ext4',
    },
    ...{ map: 'partclone.extfs', extents: Float64Array.from([0, 1000 * MIB]), within: { kind: 'luks', name: 'id' } },
    ...{ indices: new Uint32Array(0), firstOrdinal: 0 },
  };
  const layout: Layout = { label: 'gpt', sectorBytes: 512, diskBytes: 4002 * MIB, partitions };
  const image = { head: { layout }, volumes: [volume] };
  const [cut] = planShrink(image, 3000 * MIB).plan!.containers;
  assert.deepEqual([cut!.startBytes, cut!.sizeBytes], [MIB + PAYLOAD, 2998 * MIB - PAYLOAD]);
  assert.deepEqual(
    cut!.packed!.map(({ offsetBytes, sizeBytes }) => [offsetBytes, sizeBytes]),
    [[0, 2982 * MIB]],
  );
  assert.match(planShrink(image, 500 * MIB).least!.why, /^partition 1 \(LUKS\) needs about 1074 MiB$/);
});

test('LVM in a LUKS container becomes smaller behind its header, and the container with it', () => {
  const HEADER = 16 * MIB;
  const [template] = goldenContainers;
  const plain = lvmOf([['root', 4000, 1000]]);
  const [partition] = plain.head.layout.partitions;
  const layout = {
    ...plain.head.layout,
    diskBytes: plain.head.layout.diskBytes + HEADER,
    partitions: [{ ...partition!, sectors: partition!.sectors + HEADER / 512 }],
  };
  const volumes = plain.volumes.map((volume) => {
    return { ...volume, startBytes: volume.startBytes + HEADER, within: { ...volume.within!, luks: template!.uuid } };
  });
  const place = { partition: 1, startBytes: MIB, sizeBytes: partition!.sectors * 512 + HEADER };
  const { plan } = planShrink({ head: { layout }, volumes }, 3000 * MIB);
  const [cut] = plan!.containers;
  const [placed] = placeContainers([{ ...template!, ...place }], layout, plan!.fit.layout);
  assert.ok(placed!.sizeBytes < 3000 * MIB);
  assert.deepEqual(payloadOf(placed!), { startBytes: cut!.startBytes, sizeBytes: cut!.sizeBytes });
});
