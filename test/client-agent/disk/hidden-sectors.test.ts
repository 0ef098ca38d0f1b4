import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { moveHiddenSectors } from '#agent/disk/hidden-sectors.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const MiB = 1024 * 1024;
const SIZE = 40 * MiB;
const FROM = 63 * 512;
const TO = 4 * MiB;

const kinds = [
  {
    filesystem: 'ntfs',
    make: ['mkfs.ntfs', '-q', '-F', '-f', '-p', '63', '-H', '255', '-S', '63'],
    copyAt: SIZE - 512,
  },
  { filesystem: 'vfat', make: ['mkfs.fat', '-F', '32', '-h', '63'], copyAt: 6 * 512 },
];

for (const { filesystem, make, copyAt } of kinds) {
  test(`the boot sector of a moved ${filesystem} and its copy say where it lies now`, async (t) => {
    const disk = await makeDisk(t, make);
    const change = { filesystem, fromStartBytes: FROM, startBytes: TO, fromBytes: SIZE, sizeBytes: SIZE };
    assert.deepEqual(hiddenOf(disk, copyAt), [63, 63]);
    moveHiddenSectors({ path: disk }, change);
    moveHiddenSectors({ path: disk }, change);
    assert.deepEqual(hiddenOf(disk, copyAt), [8192, 8192]);
  });
}

test('a number that was not the source start is left alone, and so is a volume that did not move', async (t) => {
  const disk = await makeDisk(t, ['mkfs.fat', '-F', '32', '-h', '5']);
  const change = { filesystem: 'vfat', fromStartBytes: FROM, startBytes: TO, fromBytes: SIZE, sizeBytes: SIZE };
  moveHiddenSectors({ path: disk }, change);
  assert.deepEqual(hiddenOf(disk, 6 * 512), [5, 5]);
  moveHiddenSectors({ path: disk }, { ...change, fromStartBytes: TO });
  assert.deepEqual(hiddenOf(disk, 6 * 512), [5, 5]);
});

async function makeDisk(t: TestContext, argv: readonly string[]): Promise<string> {
  const folder = tempFolder(t);
  const [volume, disk] = [join(folder, 'volume'), join(folder, 'disk')];
  makeEmptyFile(volume, SIZE);
  await run([...argv, volume]);
  makeEmptyFile(disk, TO + SIZE);
  writeInto(disk, TO, readFileSync(volume));
  return disk;
}

/** Hidden sectors in the boot sector and in its copy. */
function hiddenOf(disk: string, copyAt: number): number[] {
  const bytes = readFileSync(disk);
  return [TO, TO + copyAt].map((at) => bytes.readUInt32LE(at + 28));
}
