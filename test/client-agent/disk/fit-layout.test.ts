/** Fitted tables laid and read back by sfdisk: what fit.ts computes must be what a real partitioner accepts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readLayout } from '#agent/disk/layout-reader.ts';
import { applyLayout } from '#agent/disk/layout-writer.ts';
import { volumesOf } from '#agent/disk/volumes.ts';
import { fitTo } from '#protocol/fit.ts';
import type { GrowRule } from '#protocol/grow-rule.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { diskOf } from '#test/client-agent/test-disk.ts';

const MiB = 1024 * 1024;
const SOURCE_BYTES = 100 * MiB;

const tables = {
  GPT: [
    'label: gpt',
    'label-id: 6E8D6CB1-9B1D-4B2E-8D5D-0B1C2D3E4F50',
    'first-lba: 34',
    'table-length: 64',
    '',
    'a1 : start=40, size=2000, type=21686148-6449-6E6F-744E-656564454649, attrs="RequiredPartition LegacyBIOSBootable GUID:50,63"',
    'a7 : start=40000, size=20481, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="data \\x22x\\x22 é"',
    'a2 : start=4096, size=4096, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root"',
  ],
  'MBR with logical partitions, as DOS laid them': [
    'label: dos',
    'label-id: 0x5eed1234',
    '',
    'a1 : start=63, size=20000, type=7, bootable',
    'a2 : start=24576, size=100000, type=f',
    'a4 : start=140000, size=1000, type=c',
    'a5 : start=24640, size=10000, type=83',
    'a6 : start=34642, size=10000, type=82',
    'a7 : start=44643, size=20000, type=83',
    'a8 : start=80000, size=44576, type=83',
  ],
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
    makeEmptyFile(source, SOURCE_BYTES);
    await run(['sfdisk', '--quiet', source], { input: `${script.join('\n')}\n` });
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

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'fleetcast-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
