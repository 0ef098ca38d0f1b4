import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { type Layout, layoutSchema, leastDiskBytes } from '#protocol/layout.ts';

const partition = fc.record({
  number: fc.integer({ min: 1, max: 128 }),
  startSector: fc.nat(2 ** 31),
  sectors: fc.integer({ min: 1, max: 2 ** 31 }),
  type: fc.constant('0FC63DAF-8483-4772-8E79-3D69D8477DE4'),
});
const layouts: fc.Arbitrary<Layout> = fc.record({
  label: fc.constantFrom('gpt' as const, 'dos' as const, 'none' as const),
  sectorBytes: fc.constantFrom(512, 4096),
  diskBytes: fc.integer({ min: 512, max: 2 ** 44 }),
  partitions: fc.array(partition),
});

test('the least disk holds every partition and, with GPT, the backup table behind them', () => {
  fc.assert(
    fc.property(layouts, (layout) => {
      assert.ok(Value.Check(layoutSchema, layout));
      const least = leastDiskBytes(layout);
      if (layout.label === 'none') return assert.equal(least, layout.diskBytes);
      const backup = layout.label === 'gpt' ? layout.sectorBytes + 16_384 : 0;
      const ends = layout.partitions.map((one) => (one.startSector + one.sectors) * layout.sectorBytes);
      for (const end of ends) assert.ok(least >= end + backup);
      assert.equal(least, Math.max(layout.sectorBytes, ...ends) + backup);
    }),
  );
});

test('a layout with a label that we cannot lay again does not fit the schema', () => {
  const good = { label: 'gpt', sectorBytes: 512, diskBytes: 1_000_000, partitions: [] };
  assert.ok(Value.Check(layoutSchema, good));
  assert.ok(!Value.Check(layoutSchema, { ...good, label: 'sun' }));
  assert.ok(!Value.Check(layoutSchema, { ...good, sectorBytes: 100 }));
  assert.ok(
    !Value.Check(layoutSchema, { ...good, partitions: [{ number: 0, startSector: 1, sectors: 1, type: 'x' }] }),
  );
});
