import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk } from '#protocol/disk.ts';
import type { Layout } from '#protocol/layout.ts';
import { mapDisks } from '#server/sessions/disk-mapping.ts';

const GB = 1e9;

function disk(path: string, sizeBytes: number, fields: Partial<Disk> = {}): Disk {
  const fixed = { removable: false, readOnly: false, inUse: false, content: '' };
  return { path, model: 'M', serial: path, sizeBytes, sectorBytes: 512, transport: 'sata', ...fixed, ...fields };
}

const layout = (diskBytes: number): Layout => ({ label: 'gpt', sectorBytes: 512, diskBytes, partitions: [] });
const pair = [layout(256 * GB), layout(2000 * GB)];
const small = disk('/dev/sdb', 250 * GB);
const large = disk('/dev/sda', 2000 * GB);

test('each disk of an image goes to the one disk of about its size', () => {
  assert.deepEqual(mapDisks(pair, [large, small], undefined, 'pc-1'), [small, large]);
  const others = [disk('/dev/sdc', 500 * GB), disk('/dev/sdd', 2000 * GB, { removable: true })];
  assert.deepEqual(mapDisks(pair, [large, small, ...others], undefined, 'pc-1'), [small, large]);
  const nvme = disk('/dev/nvme0n1', 256 * GB, { transport: 'nvme' });
  assert.deepEqual(mapDisks(pair, [large, small, nvme], 'each,transport=sata', 'pc-1'), [small, large]);
});

test('rules, one for each disk of the image in its order, say it where sizes do not', () => {
  const twice = [disk('/dev/sda', 256 * GB), disk('/dev/sdb', 256 * GB)] as const;
  const alike = [layout(256 * GB), layout(256 * GB)];
  assert.deepEqual(mapDisks(alike, twice, 'path=/dev/sdb; path=/dev/sda', 'pc-1'), [twice[1], twice[0]]);
  assert.deepEqual(mapDisks(pair, [small, large], 'size>1T;size<1T', 'pc-1'), [large, small], 'what is said counts');
});

test('what is not clear is refused, with the disks there are', () => {
  const unclear: readonly (readonly [readonly Layout[], readonly Disk[], string | undefined])[] = [
    [pair, [small], undefined],
    [pair, [small, large, disk('/dev/sdc', 260 * GB)], undefined],
    [[pair[0]!, pair[0]!], [small, large], undefined],
    [pair, [small, disk('/dev/sda', 2000 * GB, { sectorBytes: 4096 })], undefined],
    [[...pair, layout(GB)], [small, large, disk('/dev/sdc', GB)], 'size<1T; size>1T'],
  ];
  for (const [layouts, disks, rule] of unclear) {
    assert.throws(() => mapDisks(layouts, disks, rule, 'pc-1'), {
      code: 'DISKS_UNMAPPED',
      message: /pc-1: .*\/dev\/sdb M \/dev\/sdb/,
    });
  }
});
