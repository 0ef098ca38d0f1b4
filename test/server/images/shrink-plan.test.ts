import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Layout } from '#protocol/layout.ts';
import type { Volume } from '#protocol/manifest.ts';
import { planShrink } from '#server/images/shrink-plan.ts';

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
