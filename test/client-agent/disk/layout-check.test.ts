import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdsLayout } from '#agent/disk/layout-check.ts';
import type { Layout } from '#protocol/layout.ts';

test('a table that reads back without a partition, or with another id, is not the one that was laid', () => {
  const wanted: Layout = {
    label: 'gpt',
    labelId: 'A0',
    sectorBytes: 512,
    diskBytes: 1e9,
    partitions: [{ number: 1, startSector: 2048, sectors: 100, type: 'T', uuid: 'U', name: 'EFI' }],
  };
  const [first] = wanted.partitions;
  assert.ok(holdsLayout({ ...wanted, diskBytes: 2e9, lastLba: 9 }, wanted));
  assert.ok(
    holdsLayout(wanted, { ...wanted, partitions: [{ number: 1, startSector: 2048, sectors: 100, type: 'T' }] }),
  );
  assert.ok(!holdsLayout({ ...wanted, label: 'dos' }, wanted));
  assert.ok(!holdsLayout({ ...wanted, labelId: 'B0' }, wanted));
  assert.ok(!holdsLayout({ ...wanted, partitions: [] }, wanted));
  assert.ok(!holdsLayout({ ...wanted, partitions: [{ ...first!, startSector: 2049 }] }, wanted));
  assert.ok(!holdsLayout({ ...wanted, partitions: [{ ...first!, name: 'other' }] }, wanted));
});

test('of a hybrid MBR every entry must be there, where its partition lies on this disk', () => {
  const entry = (type: string, startSector: number, sectors: number) => {
    const raw = Buffer.alloc(16);
    raw.write(type, 4, 'hex');
    raw.writeUInt32LE(startSector, 8);
    raw.writeUInt32LE(sectors, 12);
    return raw.toString('hex');
  };
  const partition = { number: 1, startSector: 2048, sectors: 100, type: 'T' };
  const none = { raw: entry('00', 0, 0) };
  const protective = { raw: entry('ee', 1, 2047) };
  const hybrid = { signature: 7, entries: [{ raw: entry('0c', 2048, 100), partition: 1 }, protective, none, none] };
  const wanted: Layout = { label: 'gpt', sectorBytes: 512, diskBytes: 1e9, partitions: [partition], hybridMbr: hybrid };
  assert.ok(holdsLayout(wanted, wanted));
  const { hybridMbr: _, ...plain } = wanted;
  assert.ok(!holdsLayout(plain, wanted));
  assert.ok(!holdsLayout(wanted, plain));
  assert.ok(!holdsLayout({ ...wanted, hybridMbr: { ...hybrid, signature: 8 } }, wanted));
  // Fitted to another disk, the partition lies elsewhere, and its entry with it.
  const fitted = { ...wanted, partitions: [{ ...partition, startSector: 4096 }] };
  assert.ok(!holdsLayout({ ...fitted, hybridMbr: hybrid }, fitted), 'the old place');
  const placed = Buffer.from(entry('0c', 4096, 100), 'hex');
  placed.write('feffff', 1, 'hex');
  placed.write('feffff', 5, 'hex');
  const entries = [{ raw: placed.toString('hex'), partition: 1 }, ...hybrid.entries.slice(1)];
  assert.ok(holdsLayout({ ...fitted, hybridMbr: { ...hybrid, entries } }, fitted));
});
