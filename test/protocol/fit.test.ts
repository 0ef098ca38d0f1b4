import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changesOf, type Fit, fitTo, isAsOnSource, placeManifest } from '#protocol/fit.ts';
import type { GrowRule } from '#protocol/grow-rule.ts';
import { isExtended, type Layout, type Partition, reservedEndSectors } from '#protocol/layout.ts';
import { placeOf, type VolumeHead } from '#protocol/manifest.ts';
import { makeSampleImage } from '#test/client-agent/receive/sample-image.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
const ESP = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';

interface Source {
  readonly layout: Layout;
  readonly volumes: readonly VolumeHead[];
}

/** Partitions given as [filesystem, start in sectors, sectors, more]. */
function sourceOf(
  label: 'gpt' | 'dos',
  diskBytes: number,
  parts: readonly [filesystem: string, startSector: number, sectors: number, more?: Partial<Partition>][],
): Source {
  const type = label === 'gpt' ? LINUX : '83';
  const partitions = parts.map(([, startSector, sectors, more], i) => ({
    ...{ number: i + 1, startSector, sectors, type },
    ...(label === 'gpt' ? { uuid: `uuid-${i}`, name: `name ${i}` } : {}),
    ...more,
  }));
  const layout: Layout = {
    ...{ label, labelId: 'id', sectorBytes: 512, diskBytes, partitions },
    ...(label === 'gpt' ? { firstLba: 34, lastLba: diskBytes / 512 - 34 } : {}),
  };
  const volumes = partitions
    .filter((partition) => !isExtended(layout, partition))
    .map(({ number, startSector, sectors }): VolumeHead => {
      const filesystem = parts[number - 1]?.[0] ?? parts.find(([, start]) => start === startSector)![0];
      return {
        ...{
          kind: 'partition',
          partition: number,
          startBytes: startSector * 512,
          sizeBytes: sectors * 512,
          filesystem,
        },
        ...(filesystem === 'swap'
          ? { map: 'none', swap: { pageBytes: 4096 } }
          : { map: filesystem === '' ? 'raw' : `partclone.${filesystem}` }),
      };
    });
  const boot: VolumeHead = { kind: 'boot', startBytes: 17408, sizeBytes: 2048 * 512 - 17408, map: 'raw' };
  return { layout, volumes: [boot, ...volumes] };
}

function fitOf(source: Source, diskBytes: number, grow: GrowRule): Fit {
  const { fit, misfit } = fitTo(source, diskBytes, grow);
  assert.ok(fit, `needs ${misfit?.leastBytes}`);
  return fit;
}

/** Start and size of each partition, in MiB. */
const mibOf = ({ layout }: Fit) =>
  layout.partitions.map(({ startSector, sectors }) => [startSector / 2048, sectors / 2048]);

const M = 2048;
/** ESP 100 MiB, root 8 GiB, swap 1 GiB. */
const debian = sourceOf('gpt', 10 * GIB, [
  ['vfat', 1 * M, 100 * M, { type: ESP }],
  ['ext4', 101 * M, 8192 * M],
  ['swap', 8293 * M, 1024 * M],
]);

test('a partition whose content knows its place on the disk is never moved, and nothing before it grows', () => {
  const rows = (bsd: string): [string, number, number, Partial<Partition>?][] => [
    ['ext4', 2048, 20480],
    ['', 40960, 20480, { type: bsd }],
    ['ext4', 81920, 20480],
  ];
  for (const [label, type] of [
    ['dos', 'a6'],
    ['gpt', 'AF9B60A0-1431-4F62-BC68-3311714A69AD'],
  ] as const) {
    const source = sourceOf(label, 60 * MIB, rows(type));
    const startsOf = (fit: Fit) => fit.layout.partitions.map(({ startSector }) => startSector);
    assert.deepEqual(startsOf(fitOf(source, 42 * MIB, 'none')), [2048, 40960, 61440]);
    const grown = fitOf(source, 200 * MIB, 'proportional');
    assert.deepEqual(startsOf(grown), [2048, 40960, 81920]);
    assert.deepEqual(
      grown.layout.partitions.map(({ sectors }) => sectors > 20480),
      [false, false, true],
    );
  }
  const plain = fitOf(sourceOf('dos', 60 * MIB, rows('83')), 42 * MIB, 'none');
  assert.deepEqual(
    plain.layout.partitions.map(({ startSector }) => startSector),
    [2048, 22528, 43008],
  );
});

test('on a larger disk all lies as on the source when nothing is to grow', () => {
  const fit = fitOf(debian, 20 * GIB, 'none');
  assert.deepEqual(fit.layout.partitions, debian.layout.partitions);
  assert.deepEqual([fit.layout.diskBytes, fit.layout.lastLba], [20 * GIB, undefined]);
  assert.deepEqual(changesOf(debian.volumes, fit), []);
});

test('the last partition that can grow takes the room, and the swap behind it moves to the end', () => {
  const fit = fitOf(debian, 20 * GIB, 'last');
  assert.deepEqual(mibOf(fit), [
    [1, 100],
    [101, 20480 - 101 - 1024 - 1],
    [20480 - 1024 - 1, 1024],
  ]);
  assert.deepEqual(
    changesOf(debian.volumes, fit).map(({ partition, startBytes, fromBytes, sizeBytes }) => [
      ...[partition, startBytes / MIB, fromBytes / MIB, sizeBytes / MIB],
    ]),
    [
      [2, 101, 8192, 20480 - 101 - 1024 - 1],
      [3, 20480 - 1024 - 1, 1024, 1024],
    ],
  );
});

test('a partition named by its number grows, a swap area too; one that cannot grow does not', () => {
  assert.deepEqual(mibOf(fitOf(debian, 20 * GIB, 3)), [
    [1, 100],
    [101, 8192],
    [8293, 20480 - 8293 - 1],
  ]);
  assert.deepEqual(changesOf(debian.volumes, fitOf(debian, 20 * GIB, 1)), []);
  assert.deepEqual(changesOf(debian.volumes, fitOf(debian, 20 * GIB, 9)), []);
});

test('the recovery partition of Windows moves behind the data that grows', () => {
  const windows = sourceOf('gpt', 10 * GIB, [
    ['vfat', 1 * M, 100 * M, { type: ESP }],
    ['', 101 * M, 16 * M, { type: 'E3C9E316-0B5C-4DB8-817D-F92DF00215AE' }],
    ['ntfs', 117 * M, 9000 * M],
    ['ntfs', 9117 * M, 900 * M, { type: 'DE94BBA4-06D1-4D40-A16A-BFD50179D6AC', attrs: 'RequiredPartition GUID:63' }],
  ]);
  const fit = fitOf(windows, 12 * GIB, 'last');
  assert.deepEqual(mibOf(fit).slice(2), [
    [117, 12288 - 117 - 900 - 1],
    [12288 - 900 - 1, 900],
  ]);
  assert.equal(fit.layout.partitions[3]!.attrs, 'RequiredPartition GUID:63');
});

test('in proportion, each filesystem takes its share and the table has no gap', () => {
  const two = sourceOf('gpt', 10 * GIB, [
    ['ext4', 1 * M, 2048 * M],
    ['swap', 2049 * M, 512 * M],
    ['xfs', 2561 * M, 6144 * M],
  ]);
  assert.deepEqual(mibOf(fitOf(two, 20 * GIB, 'proportional')), [
    [1, 2048 + 2943],
    [4992, 512],
    [5504, 6144 + 8830],
  ]);
});

test('a filesystem that was taken raw does not grow', () => {
  const unclean = { ...debian, volumes: debian.volumes.map((volume) => ({ ...volume, map: 'raw' })) };
  assert.deepEqual(changesOf(debian.volumes, fitOf(unclean, 20 * GIB, 'last')), []);
});

test('a filesystem on a disk without a table grows over the whole disk', () => {
  const layout: Layout = { label: 'none', sectorBytes: 512, diskBytes: GIB, partitions: [] };
  const volumes: VolumeHead[] = [
    { kind: 'disk', startBytes: 0, sizeBytes: GIB, filesystem: 'ext4', map: 'partclone.extfs' },
  ];
  assert.deepEqual(fitOf({ layout, volumes }, 2 * GIB, 'last').places, [{ startBytes: 0, sizeBytes: 2 * GIB }]);
  assert.deepEqual(fitOf({ layout, volumes }, 2 * GIB, 'none').places, [{ startBytes: 0, sizeBytes: GIB }]);
  assert.deepEqual(fitTo({ layout, volumes }, GIB - 512, 'none').misfit, { leastBytes: GIB });
});

test('logical partitions grow with the extended one around them, each with room for its own sector', () => {
  const mbr = sourceOf('dos', 10 * GIB, [
    ['ntfs', 1 * M, 1000 * M],
    ['', 1002 * M, 8000 * M, { type: '5', number: 2 }],
    ['ext4', 1003 * M, 3000 * M, { number: 5 }],
    ['swap', 4004 * M, 100 * M, { number: 6 }],
  ]);
  assert.deepEqual(mibOf(fitOf(mbr, 20 * GIB, 5)), [
    [1, 1000],
    [1002, 20480 - 1002],
    [1003, 20480 - 1003 - 101],
    [20480 - 100, 100],
  ]);
  assert.deepEqual(mibOf(fitOf(mbr, 20 * GIB, 1)), [
    [1, 20480 - 1 - 1 - 3000 - 1 - 100],
    [20480 - 3102, 3102],
    [20480 - 3101, 3000],
    [20480 - 100, 100],
  ]);
});

test('no partition of an MBR goes beyond what its 32-bit sector numbers reach', () => {
  const mbr = sourceOf('dos', 10 * GIB, [['ext4', 1 * M, 1000 * M]]);
  const [partition] = fitOf(mbr, 4 * 1024 * GIB, 'last').layout.partitions;
  assert.ok(partition!.startSector + partition!.sectors <= 2 ** 32 - 1);
});

test('on a smaller disk the gaps are closed when that suffices, else it says what would', () => {
  const gaps = sourceOf('gpt', 10 * GIB, [
    ['ext4', 1 * M, 2048 * M],
    ['xfs', 8000 * M, 1024 * M],
  ]);
  assert.deepEqual(mibOf(fitOf(gaps, 4 * GIB, 'none')), [
    [1, 2048],
    [2049, 1024],
  ]);
  const leastBytes = 3073 * MIB + 33 * 512;
  assert.deepEqual(fitTo(gaps, leastBytes - 512, 'none').misfit, { leastBytes });
  assert.ok(fitTo(gaps, leastBytes, 'none').fit);
});

test('an extended partition that reaches beyond a smaller disk ends with its last logical one', () => {
  const mbr = sourceOf('dos', 10 * GIB, [
    ['ext4', 2 * M, 1000 * M, { number: 5 }],
    ['', 1 * M, 9000 * M, { type: '5', number: 1 }],
  ]);
  const fit = fitOf(mbr, 2 * GIB, 'none');
  assert.deepEqual(mibOf(fit), [
    [2, 1000],
    [1, 1001],
  ]);
  assert.deepEqual(changesOf(mbr.volumes, fit), []);
  assert.ok(!isAsOnSource(mbr, fit));
  assert.ok(isAsOnSource(mbr, fitOf(mbr, 12 * GIB, 'none')));
});

test('partitions that overlap stay where they are', () => {
  const hybrid = sourceOf('dos', 10 * GIB, [
    ['ext4', 1 * M, 2048 * M],
    ['ext4', 1000 * M, 3000 * M],
  ]);
  assert.deepEqual(changesOf(hybrid.volumes, fitOf(hybrid, 20 * GIB, 'last')), []);
  assert.ok(fitTo(hybrid, 2 * GIB, 'none').misfit);
});

test('a placed manifest has every chunk in its volume at the place of the fit, and the same ids', () => {
  const { manifest } = makeSampleImage();
  const fit: Fit = {
    layout: { ...manifest.head.layout, diskBytes: 8 * MIB },
    places: manifest.volumes.map(({ startBytes, sizeBytes, swap }) => ({
      startBytes: startBytes + 3 * MIB,
      sizeBytes: swap === undefined ? sizeBytes : 2 * sizeBytes,
    })),
  };
  const placed = placeManifest(manifest, fit);
  assert.equal(placed.id, manifest.id);
  assert.equal(placed.head.layout.diskBytes, 8 * MIB);
  assert.equal(placed.volumes[2]!.sizeBytes, 1024 * 1024);
  for (let ordinal = 0; ordinal < manifest.chunkCount; ordinal++) {
    const [source, target] = [placeOf(manifest, ordinal), placeOf(placed, ordinal)];
    assert.equal(target.diskOffset, source.diskOffset + 3 * MIB);
    assert.equal(target.plainBytes, source.plainBytes);
    assert.equal(target.volumeOffset, source.volumeOffset);
  }
  assert.equal(placeManifest(manifest, undefined), manifest);
});

/** Tables as disks have them: gaps, odd starts, logical partitions, all kinds of filesystems. */
const sources = fc
  .record({
    label: fc.constantFrom('gpt' as const, 'dos' as const),
    first: fc.constantFrom(63, 2048, 34 * 64),
    parts: fc.array(
      fc.record({
        filesystem: fc.constantFrom('ext4', 'ntfs', 'xfs', 'btrfs', 'vfat', 'swap', ''),
        gapSectors: fc.constantFrom(0, 0, 1, 7, 2048, 100_000),
        sectors: fc.integer({ min: 2048, max: 2_000_000 }),
        isLogical: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    tailSectors: fc.integer({ min: 40, max: 100_000 }),
    isExtendedWide: fc.boolean(),
  })
  .map(({ label, first, parts, tailSectors, isExtendedWide }): Source => {
    const rows: [string, number, number, Partial<Partition>][] = [];
    let at = first;
    // The logical ones come last: primary partitions never lie between them.
    const plain = label === 'gpt' ? parts : parts.filter((part) => !part.isLogical).slice(0, 3);
    for (const { filesystem, gapSectors, sectors } of plain) {
      rows.push([filesystem, at + gapSectors, sectors, { number: rows.length + 1 }]);
      at += gapSectors + sectors;
    }
    const inside = label === 'gpt' ? [] : parts.filter((part) => part.isLogical);
    if (inside.length > 0) {
      const start = at;
      for (const [i, { filesystem, gapSectors, sectors }] of inside.entries()) {
        at += 1 + gapSectors;
        rows.push([filesystem, at, sectors, { number: 5 + i }]);
        at += sectors;
      }
      if (isExtendedWide) at += 5000;
      rows.push(['', start, at - start, { number: 4, type: '5' }]);
    }
    return sourceOf(label, (at + tailSectors) * 512, rows);
  });
const rules = fc.oneof(
  fc.constantFrom('none' as const, 'last' as const, 'proportional' as const),
  fc.integer({ min: 1, max: 6 }),
);

/** Found by this property: the extended partition ended beyond the disk, behind its last logical one. */
const brokenOnce: readonly [Source, GrowRule, moreSectors: number][] = [
  [
    sourceOf('dos', 7152 * 512, [
      ['ext4', 64, 2048, { number: 5 }],
      ['', 63, 7049, { number: 4, type: '5' }],
    ]),
    ...(['none', -41] as const),
  ],
  [
    sourceOf('dos', 9200 * 512, [
      ['ext4', 63, 2048, { number: 1 }],
      ['ext4', 2112, 2048, { number: 5 }],
      ['', 2111, 7049, { number: 4, type: '5' }],
    ]),
    ...([1, -41] as const),
  ],
];

test('whatever the table, the disk and the rule: no overlap, all inside, what moves is aligned, ids stay', () => {
  fc.assert(
    fc.property(sources, rules, fc.integer({ min: -400_000, max: 9_000_000 }), (source, grow, moreSectors) => {
      const diskBytes = Math.max(MIB, source.layout.diskBytes + moreSectors * 512);
      const { fit, misfit } = fitTo(source, diskBytes, grow);
      if (misfit !== undefined) {
        assert.ok(misfit.leastBytes > diskBytes);
        assert.ok(fitTo(source, misfit.leastBytes, grow).fit);
        return;
      }
      assertSound(source, fit, diskBytes);
    }),
    { numRuns: 3000, examples: [...brokenOnce] },
  );
});

test('the same question has the same answer, and a fit onto its own size changes nothing', () => {
  fc.assert(
    fc.property(sources, rules, fc.integer({ min: 0, max: 9_000_000 }), (source, grow, moreSectors) => {
      const diskBytes = source.layout.diskBytes + moreSectors * 512;
      const fit = fitOf(source, diskBytes, grow);
      assert.deepEqual(fitOf(source, diskBytes, grow), fit);
      // An image of the fitted disk lies on the same disk as it is.
      const volumes = source.volumes.map((volume, i) => ({ ...volume, ...fit.places[i]! }));
      const again = fitOf({ layout: fit.layout, volumes }, diskBytes, 'none');
      assert.deepEqual(again, fit);
    }),
    { numRuns: 500 },
  );
});

function assertSound(source: Source, { layout, places }: Fit, diskBytes: number): void {
  const end = diskBytes / 512 - reservedEndSectors(layout);
  assert.equal(layout.diskBytes, diskBytes);
  const before = source.layout.partitions;
  assert.deepEqual(
    layout.partitions.map(({ startSector: _, sectors: __, ...kept }) => kept),
    before.map(({ startSector: _, sectors: __, ...kept }) => kept),
  );
  const byStart = layout.partitions.toSorted((a, b) => a.startSector - b.startSector);
  const data = byStart.filter((partition) => !isExtended(layout, partition));
  const extended = byStart.find((partition) => isExtended(layout, partition));
  for (const [i, { startSector, sectors }] of data.entries()) {
    assert.ok(startSector + sectors <= end, 'beyond the end');
    const next = data[i + 1];
    if (next !== undefined) assert.ok(startSector + sectors <= next.startSector, 'overlap');
  }
  for (const [i, { number, startSector, sectors }] of layout.partitions.entries()) {
    const isMoved = startSector !== before[i]!.startSector;
    if (isMoved) assert.equal(startSector % 2048, 0, `partition ${number} is not aligned`);
    if (extended === undefined || number < 5) continue;
    assert.ok(startSector > extended.startSector && startSector + sectors <= extended.startSector + extended.sectors);
    const nearest = byStart.filter((other) => other.number >= 5 && other.startSector < startSector).at(-1);
    assert.ok(nearest === undefined || nearest.startSector + nearest.sectors < startSector, 'no sector for its table');
  }
  if (extended !== undefined) {
    assert.ok(extended.startSector + extended.sectors <= end);
    const outside = data.filter(({ number }) => number < 5);
    for (const { startSector, sectors } of outside) {
      assert.ok(
        startSector + sectors <= extended.startSector || startSector >= extended.startSector + extended.sectors,
      );
    }
  }
  assert.deepEqual(places[0], { startBytes: source.volumes[0]!.startBytes, sizeBytes: source.volumes[0]!.sizeBytes });
  for (const [i, { partition, sizeBytes }] of source.volumes.entries()) {
    if (partition === undefined) continue;
    const entry = layout.partitions.find(({ number }) => number === partition)!;
    assert.deepEqual(places[i], { startBytes: entry.startSector * 512, sizeBytes: entry.sectors * 512 });
    assert.ok(places[i]!.sizeBytes >= sizeBytes, 'a partition became smaller');
  }
  const [first] = before.toSorted((a, b) => a.startSector - b.startSector);
  assert.equal(byStart[0]!.startSector, first!.startSector, 'the first partition moved');
}
