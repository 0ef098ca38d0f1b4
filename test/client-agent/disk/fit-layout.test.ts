/** Fitted tables laid and read back by sfdisk: what fit.ts computes must be what a real partitioner accepts. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readLayout } from '#agent/disk/layout-reader.ts';
import { applyLayout } from '#agent/disk/layout-writer.ts';
import { volumesOf } from '#agent/disk/volumes.ts';
import { fitTo } from '#protocol/fit.ts';
import type { GrowRule } from '#protocol/grow-rule.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { diskOf } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { gptTable, makePartitionedDisk, mbrTable } from './sample-tables.ts';

const MiB = 1024 * 1024;
const SOURCE_BYTES = 100 * MiB;

const tables = {
  GPT: gptTable,
  'MBR with logical partitions, as DOS laid them': mbrTable,
  'MBR with one logical partition and room behind it': [
    'label: dos',
    'label-id: 0x5eed1235',
    '',
    'a1 : start=2048, size=40960, type=83',
    'a2 : start=43008, size=100000, type=5',
    'a5 : start=45056, size=10240, type=83',
  ],
};

const fits: readonly [diskMiB: number, grow: GrowRule][] = [
  [160, 'none'],
  [160, 'last'],
  [160, 'proportional'],
  [161, 1],
  [300, 7],
  [300, 5],
  [70, 'none'],
];

for (const [name, script] of Object.entries(tables)) {
  test(`a ${name}, fitted to larger and smaller disks, reads back as it was computed`, async (t) => {
    const folder = tempFolder(t);
    const source = join(folder, 'source');
    await makePartitionedDisk(source, SOURCE_BYTES, script);
    const layout = await readLayout(source, 512);
    const volumes = volumesOf(layout).map(
      (span): VolumeHead => ({ ...span, filesystem: 'ext4', map: 'partclone.extfs' }),
    );
    let fitted = 0;
    for (const [i, [diskMiB, grow]] of fits.entries()) {
      const { fit } = fitTo({ layout, volumes }, diskMiB * MiB, grow);
      if (fit === undefined) continue;
      fitted++;
      const target = join(folder, `target-${i}`);
      makeEmptyFile(target, diskMiB * MiB);
      await applyLayout(diskOf(target), fit.layout);
      const { firstLba: _, lastLba: __, ...found } = await readLayout(target, 512);
      const { firstLba: ___, lastLba: ____, ...wanted } = fit.layout;
      assert.deepEqual(found, wanted, `${diskMiB} MiB, grow ${grow}`);
      if (layout.label === 'gpt') {
        const { stdout } = await run(['sgdisk', '--verify', target]);
        assert.match(stdout, /No problems found/);
      }
    }
    assert.ok(fitted >= fits.length - 1);
  });
}
