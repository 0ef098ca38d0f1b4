/** Real filesystems, a real store, and the program that fits volumes. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FitLine } from '#protocol/admin/image-api.ts';
import { KnownError } from '#protocol/errors.ts';
import { idAt, type Manifest } from '#protocol/manifest.ts';
import { chunksOf, partOfDisk } from '#protocol/source-disk.ts';
import { fitImage } from '#server/images/image-fitter.ts';
import { writeVolumeFile } from '#server/images/volume-file.ts';
import { run } from '#system/run.ts';
import { digestTree, filesystems, makeEmptyFile, makeTree } from '#test/client-agent/filesystems.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { captureImage, linesOf } from './captured-image.ts';

const MiB = 1024 * 1024;
const needsRoot = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const ext4 = filesystems.find(({ name }) => name === 'ext4')!;
const ntfs = filesystems.find(({ name }) => name === 'NTFS')!;
/** ext4 with much room, then NTFS that says where it begins. */
const DISK_BYTES = 300 * MiB;
const EXT = { startBytes: MiB, sizeBytes: 200 * MiB };
const NTFS = { startBytes: 201 * MiB, sizeBytes: 48 * MiB };

test('an image that was fitted has every file, and its NTFS knows where it lies now', {
  skip: needsRoot,
}, async (t) => {
  const o = await makeImage(t);
  const before = await o.catalog.loadManifest(o.catalog.resolve('one').version.manifestId);
  const lines = await linesOf(fitImage({ ...o.options, sizes: { toBytes: 150 * MiB } }));

  const { done } = lines.at(-1)!;
  assert.equal(done?.image, 'one-150M');
  assert.deepEqual(readdirSync(o.options.workDir), []);
  assert.ok(lines.some(({ phase }) => phase === 'restore'));
  const { version } = o.catalog.resolve('one-150M');
  assert.equal(version.fittedFrom, 'one@1');
  const manifest = await o.catalog.loadManifest(version.manifestId);
  assert.equal(manifest.head.layout.diskBytes, 150 * MiB);
  assert.deepEqual(
    manifest.volumes.map(({ kind, partition, filesystem, map }) => [kind, partition, filesystem, map]),
    before.volumes.map(({ kind, partition, filesystem, map }) => [kind, partition, filesystem, map]),
  );
  const [, extVolume, ntfsVolume] = manifest.volumes;
  assert.ok(ntfsVolume!.startBytes + ntfsVolume!.sizeBytes < 150 * MiB);
  for (const [filesystem, volume] of [
    [ext4, extVolume!],
    [ntfs, ntfsVolume!],
  ] as const) {
    const file = join(o.folder, `fitted-${filesystem.name}`);
    await writeVolumeFile({
      ...o,
      image: 'x',
      manifest,
      volume,
      path: file,
      signal: o.options.signal,
      onWritten: () => {},
    });
    await filesystem.check(file);
    const out = join(o.folder, `out-${filesystem.name}`);
    mkdirSync(out);
    await filesystem.extract(file, out, o.tree);
    assert.deepEqual(digestTree(out), digestTree(o.tree));
    if (filesystem === ntfs) assert.equal(readFileSync(file).readUInt32LE(28), volume.startBytes / 512);
  }
  // What did not have to change was not stored again.
  assert.ok(
    version.addedBytes < o.catalog.resolve('one').version.storedBytes / 2,
    `${version.addedBytes} bytes are new`,
  );
});

test('a filesystem that needs more than was thought ends in the least size that works, and nothing is left behind', {
  skip: needsRoot,
}, async (t) => {
  const o = await makeImage(t);
  const { least } = await refusedWith(fitImage({ ...o.options, sizes: { toBytes: 64 * MiB } }), 'SHRINK_IMPOSSIBLE');
  assert.ok(least > 64 * MiB && least < 150 * MiB);
  assert.equal(o.catalog.list().length, 1);
  // The least size that is told holds, or a better known one is told; the second time it is a true one.
  let toBytes = least;
  for (let tries = 0; tries < 3; tries++) {
    const error = await linesOf(fitImage({ ...o.options, sizes: { toBytes } })).catch((one: unknown) => one);
    if (!(error instanceof KnownError)) break;
    assert.equal(error.code, 'SHRINK_IMPOSSIBLE');
    toBytes = leastOf(error);
  }
  assert.equal(o.catalog.list().length, 2);
  assert.deepEqual(readdirSync(o.options.workDir), []);
});

test('broken off in the middle, it leaves neither files nor an image', { skip: needsRoot }, async (t) => {
  const o = await makeImage(t);
  const stop = new AbortController();
  const lines = fitImage({ ...o.options, sizes: { toBytes: 150 * MiB }, signal: stop.signal });
  assert.equal((await lines.next()).value.phase, 'restore');
  stop.abort();
  await assert.rejects(linesOf(lines), { name: 'AbortError' });
  assert.deepEqual(readdirSync(o.options.workDir), []);
  assert.equal(o.catalog.list().length, 1);
});

test('of an image of several disks those that are named become smaller, and the others stay to the byte', {
  skip: needsRoot,
}, async (t) => {
  const folder = tempFolder(t);
  const disks = [join(folder, 'system'), join(folder, 'data')] as const;
  const [tree, file] = [join(folder, 'tree'), join(folder, 'ext4')];
  mkdirSync(tree);
  makeTree(tree);
  for (const [i, path] of disks.entries()) {
    const sizeBytes = [48 * MiB, 160 * MiB][i]!;
    makeEmptyFile(path, sizeBytes + 2 * MiB);
    await run(['sfdisk', '--quiet', path], { input: `label: gpt\n\nstart=2048, size=${sizeBytes / 512}\n` });
    makeEmptyFile(file, sizeBytes);
    await ext4.make(file, tree);
    writeInto(path, MiB, readFileSync(file));
  }
  const o = await captureImage(t, disks, folder);
  const source = await o.catalog.loadManifest(o.catalog.resolve('one').version.manifestId);
  const dry = await linesOf(fitImage({ ...o.options, name: 'x', sizes: { toBytes: 100 * MiB }, isDryRun: true }));
  assert.deepEqual(
    dry.at(-1)!.planned?.changes.map(({ disk, partition }) => [disk, partition]),
    [[1, 1]],
    'the system disk fits as it is',
  );
  const impossible = { ...o.options, name: 'x', sizes: { disks: [{ disk: 1, toBytes: 2 * MiB }] } };
  await assert.rejects(linesOf(fitImage(impossible)), {
    code: 'SHRINK_IMPOSSIBLE',
    message: /^The image one, disk 2, cannot/,
    next: /--to 2=\d+$/,
  });

  const sizes = { disks: [{ disk: 1, toBytes: 100 * MiB }] };
  const lines = await linesOf(fitImage({ ...o.options, name: 'small', sizes }));
  assert.ok(
    lines.some(({ disk, partition }) => disk === 1 && partition === 1),
    'progress says which disk',
  );
  const manifest = await o.catalog.loadManifest(o.catalog.resolve('small').version.manifestId);
  assert.deepEqual(
    [manifest.head.layout, manifest.head.moreDisks?.map(({ diskBytes }) => diskBytes)],
    [source.head.layout, [100 * MiB]],
  );
  const idsOf = (one: Manifest) =>
    [...chunksOf(partOfDisk(one, 0))].map((i) => Buffer.from(idAt(one, i)).toString('hex'));
  assert.deepEqual(idsOf(manifest), idsOf(source));
  for (const disk of [0, 1]) {
    const volume = partOfDisk(manifest, disk).volumes.find(({ filesystem }) => filesystem === 'ext4')!;
    const path = join(folder, `laid-${disk}`);
    await writeVolumeFile({ ...o, image: 'x', manifest, volume, path, signal: o.options.signal, onWritten: () => {} });
    await ext4.check(path);
    const out = join(folder, `out-${disk}`);
    mkdirSync(out);
    await ext4.extract(path, out, tree);
    assert.deepEqual(digestTree(out), digestTree(tree));
  }
});

async function makeImage(t: TestContext) {
  const folder = tempFolder(t);
  const [tree, disk] = [join(folder, 'tree'), join(folder, 'disk')];
  mkdirSync(tree);
  makeTree(tree);
  makeEmptyFile(disk, DISK_BYTES);
  const line = ({ startBytes, sizeBytes }: typeof EXT) => `start=${startBytes / 512}, size=${sizeBytes / 512}`;
  await run(['sfdisk', '--quiet', disk], { input: `label: gpt\n\n${line(EXT)}\n${line(NTFS)}\n` });
  for (const [filesystem, { startBytes, sizeBytes }] of [
    [ext4, EXT],
    [ntfs, NTFS],
  ] as const) {
    const file = join(folder, filesystem.name);
    makeEmptyFile(file, sizeBytes);
    await filesystem.make(file, tree);
    const bytes = readFileSync(file);
    if (filesystem === ntfs) {
      // As mkfs.ntfs does on a partition: hidden sectors, in the copy of the boot sector too.
      for (const at of [0, sizeBytes - 512]) bytes.writeUInt32LE(startBytes / 512, at + 28);
    }
    writeInto(disk, startBytes, bytes);
  }
  const { store, catalog, options } = await captureImage(t, disk, folder);
  return { folder, tree, store, catalog, options: { ...options, name: 'one-150M' } };
}

async function refusedWith(lines: AsyncIterable<FitLine>, code: string): Promise<{ least: number }> {
  const error = await linesOf(lines).then(
    () => assert.fail('it was fitted'),
    (one: unknown) => one,
  );
  assert.ok(error instanceof KnownError && error.code === code, String(error));
  return { least: leastOf(error) };
}

function leastOf(error: KnownError): number {
  return Number(/the least is (\d+)/.exec(error.message)?.[1]);
}
