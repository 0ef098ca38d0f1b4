/** A real group of LVM, a real store, and the programs that make it smaller. */
import assert from 'node:assert/strict';
import { mkdirSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { containerIn } from '#protocol/container.ts';
import type { LuksContainer } from '#protocol/luks-container.ts';
import { encodeManifest, type VolumeContent } from '#protocol/manifest.ts';
import { fitImage } from '#server/images/image-fitter.ts';
import { writeVolumeFile } from '#server/images/volume-file.ts';
import { run } from '#system/run.ts';
import { digestTree, makeEmptyFile, makeTree } from '#test/client-agent/filesystems.ts';
import { fillVolume, LVM_HEAD, LVM_START, makeLvmDisk, readVolumes } from '#test/client-agent/lvm-disk.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { captureImage, linesOf } from './captured-image.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;
const DATA = LVM_START + LVM_HEAD;

test('an image with LVM is made smaller: packed when that suffices, with smaller filesystems else', {
  skip,
}, async (t) => {
  const o = await makeImage(t);
  const source = o.catalog.resolve('one').version.manifestId;
  const volumesOf = async (image: string) =>
    containerIn((await o.catalog.loadManifest(o.catalog.resolve(image).version.manifestId)).volumes, 1)!;

  await t.test('a dry run says so, and makes nothing', async () => {
    const [line, ...others] = await linesOf(
      fitImage({ ...o.options, name: 'dry', sizes: { toBytes: 130 * MiB }, isDryRun: true }),
    );
    assert.deepEqual(others, []);
    assert.deepEqual(
      line!.planned!.changes[0]!.volumes?.map(({ name }) => name),
      ['lab/root'],
    );
    assert.ok(line!.totalBytes > MiB);
    assert.deepEqual(
      o.catalog.list().map(({ name }) => name),
      ['one'],
    );
  });

  await t.test('what is free in the group goes first, and volumes in pieces become one', async () => {
    const { done } = await fit('packed', 200);
    assert.deepEqual(
      done!.changes.map(({ container, volumes }) => [container, volumes]),
      [['lab', undefined]],
    );
    const target = join(o.folder, 'packed');
    await o.lay('packed', target, 200 * MiB);
    // swap, data and root follow each other; what the disk has more than that is free in the group.
    const sizeBytes = done!.changes[0]!.sizeBytes;
    assert.deepEqual(await readVolumes(target, sizeBytes), {
      data: [10, '4-13'],
      root: [30, '14-43'],
      swap: [4, '0-3'],
    });
    assertData(target, 4);
    await assertRoot(target, 14, 120);
    const { added, kept } = await bytesOf('packed');
    assert.ok(added < kept / 4, `${added} bytes are new beside ${kept}`);
    assert.deepEqual(
      (await volumesOf('packed')).volumes.map(({ parts }) => parts.length),
      [1, 1, 1],
    );
  });

  await t.test('then the filesystem in a volume gives what is needed', async () => {
    const { done } = await fit('small', 130);
    const [change] = done!.changes;
    assert.deepEqual(
      change!.volumes!.map(({ name }) => name),
      ['lab/root'],
    );
    const { sizeBytes, fromBytes } = change!.volumes![0]!;
    assert.ok(sizeBytes < fromBytes);
    const target = join(o.folder, 'small');
    const manifest = await o.lay('small', target, 130 * MiB);
    assert.ok(manifest.volumes.every((volume) => volume.startBytes + volume.sizeBytes <= 130 * MiB));
    const extents = sizeBytes / (4 * MiB);
    assert.deepEqual(await readVolumes(target, change!.sizeBytes), {
      ...{ data: [10, '4-13'], root: [extents, `14-${13 + extents}`], swap: [4, '0-3'] },
    });
    assertData(target, 4);
    await assertRoot(target, 14, sizeBytes / MiB);
    assert.equal((await volumesOf('small')).pv!.extents, Math.floor((change!.sizeBytes - LVM_HEAD) / (4 * MiB)));
  });

  await t.test('what does not fit is refused with the least size, and what each volume needs', async () => {
    const error: Error = await fit('tiny', 60).then(
      () => assert.fail('it was made'),
      (one) => one,
    );
    assert.match(
      error.message,
      /partition 1 \(LVM lab\) needs about \d+ MiB \(lab\/swap 16 MiB, lab\/data 40 MiB, lab\/root \d+ MiB\)/,
    );
  });

  await t.test('the source is as it was, and nothing is left behind', async () => {
    assert.equal(o.catalog.resolve('one').version.manifestId, source);
    assert.deepEqual(readdirSync(o.options.workDir), []);
    const target = join(o.folder, 'source');
    await o.lay('one', target, 302 * MiB);
    assert.deepEqual(await readVolumes(target, 300 * MiB), {
      data: [10, '4-8 39-43'],
      root: [30, '9-38'],
      swap: [4, '0-3'],
    });
  });

  async function fit(name: string, mebibytes: number) {
    return (await linesOf(fitImage({ ...o.options, name, sizes: { toBytes: mebibytes * MiB } }))).at(-1)!;
  }

  async function bytesOf(image: string) {
    const { addedBytes } = o.catalog.resolve(image).version;
    return { added: addedBytes, kept: o.catalog.resolve('one').version.storedBytes };
  }

  async function assertRoot(target: string, atExtent: number, mebibytes: number): Promise<void> {
    const [image, out] = [`${target}.root`, `${target}.out`];
    const from = `skip=${DATA / MiB + atExtent * 4}`;
    await run(['dd', `if=${target}`, `of=${image}`, 'bs=1M', from, `count=${mebibytes}`, 'status=none']);
    await run(['e2fsck', '-fn', image]);
    mkdirSync(out);
    await run(['debugfs', '-R', `rdump / ${out}`, image]);
    rmSync(join(out, 'lost+found'), { recursive: true });
    assert.deepEqual(digestTree(out), digestTree(o.tree));
  }
});

test('an image with LUKS is made smaller: the filesystem in it, and the container with its partition', {
  skip,
}, async (t) => {
  const [folder, payload] = [tempFolder(t), 17 * MiB];
  const [tree, disk, image] = ['tree', 'disk', 'image'].map((name) => join(folder, name)) as [string, string, string];
  mkdirSync(tree);
  makeTree(tree);
  makeEmptyFile(image, 200 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, image]);
  makeEmptyFile(disk, 218 * MiB);
  const table = `label: gpt\n\nstart=${payload / 512}, size=${(200 * MiB) / 512}\n`;
  await run(['sfdisk', '--quiet', disk], { input: table });
  writeInto(disk, payload, image);
  const { store, catalog, options } = await captureImage(t, disk, folder);
  // As a capture tells it that has opened the container, whose header takes the MiB from 1 to 17.
  const plain = await catalog.loadManifest(catalog.resolve('one').version.manifestId);
  const { layout, chunkBytes, hash } = plain.head;
  const partitions = [{ ...layout.partitions[0]!, startSector: 2048, sectors: 216 * 2048 }];
  const container: LuksContainer = {
    ...{ kind: 'luks', version: 2, uuid: 'ab', partition: 1, startBytes: MiB, sizeBytes: 216 * MiB, sectorBytes: 512 },
    ...{ payloadOffsetBytes: 16 * MiB, cipher: 'aes-xts-plain64', keyBytes: 64, hash: 'sha256', pbkdf: 'argon2id' },
  };
  const volumes = plain.volumes.map(({ extents, indices: _, firstOrdinal: __, ...head }): VolumeContent => {
    return { head: head.kind === 'boot' ? head : { ...head, within: { kind: 'luks', name: 'ab' } }, extents };
  });
  const head = { chunkBytes, hash, layout: { ...layout, partitions }, containers: [container] };
  const manifestBytes = encodeManifest(head, volumes, plain.ids);
  await catalog.addVersion({ image: 'locked', sourceHost: 'pc-1', manifestBytes, warnings: [], addedBytes: 0 });

  await linesOf(fitImage({ ...options, ref: 'locked', name: 'small', sizes: { toBytes: 100 * MiB } }));
  const manifest = await catalog.loadManifest(catalog.resolve('small').version.manifestId);
  assert.deepEqual(manifest.head.containers, [{ ...container, sizeBytes: 98 * MiB }]);
  const volume = manifest.volumes.at(-1)!;
  assert.deepEqual(
    [volume.startBytes, volume.sizeBytes, volume.within],
    [payload, 82 * MiB, { kind: 'luks', name: 'ab' }],
  );
  const file = join(folder, 'small');
  await writeVolumeFile({
    store,
    image: 'small',
    manifest,
    volume,
    path: file,
    signal: options.signal,
    onWritten: () => {},
  });
  await run(['e2fsck', '-fn', file]);
  const out = join(folder, 'out');
  mkdirSync(out);
  await run(['debugfs', '-R', `rdump / ${out}`, file]);
  rmSync(join(out, 'lost+found'), { recursive: true });
  assert.deepEqual(digestTree(out), digestTree(tree));
});

/** Both pieces of `data`, one behind the other. */
function assertData(target: string, atExtent: number): void {
  const bytes = Buffer.alloc(40 * MiB);
  readSync(openSync(target, 'r'), bytes, 0, bytes.length, DATA + atExtent * 4 * MiB);
  assert.ok(bytes.subarray(0, 20 * MiB).equals(Buffer.alloc(20 * MiB, 'the first piece')));
  assert.ok(bytes.subarray(20 * MiB).equals(Buffer.alloc(20 * MiB, 'the second')));
}

/** swap, data in two pieces around root, 124 MiB free. */
async function makeImage(t: TestContext) {
  const folder = tempFolder(t);
  const [tree, disk] = [join(folder, 'tree'), join(folder, 'disk')];
  mkdirSync(tree);
  makeTree(tree);
  await makeLvmDisk(disk, 302, [
    ['swap', 16],
    ['data', 20],
    ['root', 120],
    ['data', 20],
  ]);
  await fillVolume(disk, 0, 16, (image) => run(['mkswap', image]));
  writeInto(disk, DATA + 16 * MiB, Buffer.alloc(20 * MiB, 'the first piece'));
  await fillVolume(disk, 36, 120, (image) => run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, image]));
  writeInto(disk, DATA + 156 * MiB, Buffer.alloc(20 * MiB, 'the second'));
  return { folder, tree, ...(await captureImage(t, disk, folder)) };
}
