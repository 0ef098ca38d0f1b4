import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { shrinkFilesystem, TooSmallError } from '#agent/disk/filesystem-shrinker.ts';
import { KnownError } from '#protocol/errors.ts';
import {
  digestTree,
  filesystems,
  makeEmptyFile,
  makeTree,
  type TestFilesystem,
} from '#test/client-agent/filesystems.ts';
import { tempFolder } from '#test/temp-folder.ts';

const MiB = 1024 * 1024;
const needsRoot = process.getuid?.() === 0 ? false : 'needs root (loop devices, mounts)';

const shrunk = [
  { name: 'ext4', fromMiB: 160, toMiB: 40 },
  { name: 'NTFS', fromMiB: 160, toMiB: 40 },
  { name: 'Btrfs', fromMiB: 700, toMiB: 400 },
];

for (const { name, fromMiB, toMiB } of shrunk) {
  test(`${name} becomes smaller with every file as it was, and the file with it`, { skip: needsRoot }, async (t) => {
    const { filesystem, folder, image, tree } = await makeImage(t, name, fromMiB);
    await shrinkFilesystem(image, filesystem.blkidType, fromMiB * MiB, toMiB * MiB);
    assert.equal(statSync(image).size, toMiB * MiB);
    await filesystem.check(image);
    const out = join(folder, 'out');
    mkdirSync(out);
    await filesystem.extract(image, out, tree);
    assert.deepEqual(digestTree(out), digestTree(tree));
  });
}

for (const name of ['ext4', 'NTFS']) {
  test(`${name} that is to be smaller than its files says the least size, and stays as it is`, {
    skip: needsRoot,
  }, async (t) => {
    const { filesystem, image } = await makeImage(t, name, 160);
    const shrinking = shrinkFilesystem(image, filesystem.blkidType, 160 * MiB, 3 * MiB);
    await assert.rejects(shrinking, (error) => error instanceof TooSmallError && error.leastBytes > 3 * MiB);
    assert.equal(statSync(image).size, 160 * MiB);
    await filesystem.check(image);
  });
}

test('XFS has no program that makes it smaller', async (t) => {
  const { image } = await makeImage(t, 'XFS', 304);
  await assert.rejects(
    shrinkFilesystem(image, 'xfs', 304 * MiB, 200 * MiB),
    (error) => error instanceof KnownError && error.code === 'SHRINK_FAILED',
  );
});

async function makeImage(t: TestContext, name: string, sizeMiB: number) {
  const folder = tempFolder(t);
  const filesystem: TestFilesystem = filesystems.find((one) => one.name === name)!;
  const [tree, image] = [join(folder, 'tree'), join(folder, 'image')];
  mkdirSync(tree);
  makeTree(tree);
  makeEmptyFile(image, sizeMiB * MiB);
  await filesystem.make(image, tree);
  return { filesystem, folder, image, tree };
}
