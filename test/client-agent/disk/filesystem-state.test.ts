/** Filesystems whose block map must not be believed: real ones, made or left behind unclean. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { distrustFat, findDistrust, readXfsLogState } from '#agent/disk/filesystem-state.ts';
import { makeZero, zeroRunsOf } from '#agent/disk/zero-runs.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { digestTree, makeEmptyFile, makeTree, randomBytesOf } from '#test/client-agent/filesystems.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root (mounts)';
const MiB = 1024 * 1024;

interface Bench {
  readonly image: string;
  readonly tree: string;
  readonly mountPoint: string;
}

function setUp(t: TestContext, bytes: number): Bench {
  const folder = tempFolder(t);
  const [image, tree, mountPoint] = ['fs.img', 'tree', 'mount'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  makeEmptyFile(image, bytes);
  mkdirSync(mountPoint);
  makeTree(tree);
  return { image, tree, mountPoint };
}

/** A reader for what needs no device. */
function readerOf(image: string) {
  const bytes = readFileSync(image);
  return {
    read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
    withDevice: () => Promise.reject(new Error('no device is needed')),
  };
}

/** Captures the disk and lays it on one that holds other bytes. */
async function captureOnto(image: string, target: string): Promise<{ map: string; warnings: readonly string[] }> {
  const sink = new ChunkSink();
  const { warnings } = await capture(diskOf(image), sink.link);
  makeEmptyFile(target, diskOf(image).sizeBytes);
  writeInto(target, 0, Buffer.alloc(diskOf(image).sizeBytes, 0x5a));
  const manifest = sink.lay(target);
  const o = { signal: new AbortController().signal, beforeFirstWrite: async () => {}, onDone: () => {} };
  await makeZero(diskOf(target), zeroRunsOf(manifest), o);
  return { map: manifest.volumes[0]!.map, warnings };
}

async function digestMounted(image: string, mountPoint: string): Promise<string[]> {
  await run(['mount', '-o', 'loop', image, mountPoint]);
  try {
    return digestTree(mountPoint);
  } finally {
    await run(['umount', mountPoint]);
  }
}

test('an XFS whose power failed is taken raw, and what was saved last comes back', { skip: needsRoot }, async (t) => {
  const { image, tree, mountPoint } = setUp(t, 304 * MiB);
  await run(['mkfs.xfs', '-q', '-f', image]);
  await run(['mount', '-o', 'loop', image, mountPoint]);
  try {
    await run(['cp', '-a', `${tree}/.`, mountPoint]);
    await run(['sync', '-f', mountPoint]);
    await run(['xfs_io', '-x', '-c', 'shutdown -f', mountPoint]);
  } finally {
    await run(['umount', mountPoint]);
  }
  const target = `${image}.target`;
  const { map, warnings } = await captureOnto(image, target);
  assert.equal(map, 'raw');
  assert.match(warnings.join(), /its xfs cannot be told: it was not unmounted cleanly, and what is in its log/);
  assert.deepEqual(await digestMounted(target, mountPoint), digestTree(tree));
});

test('a Btrfs that has a log is taken raw, and what was saved last comes back', { skip: needsRoot }, async (t) => {
  const { image, tree, mountPoint } = setUp(t, 160 * MiB);
  const source = `${image}.source`;
  await run(['mkfs.btrfs', '-q', '-f', image]);
  await run(['mount', '-o', 'loop,commit=300', image, mountPoint]);
  try {
    await run(['cp', '-a', `${tree}/.`, mountPoint]);
    await run(['sync', '-f', mountPoint]);
    await run(['dd', `if=${join(tree, 'random.bin')}`, `of=${join(mountPoint, 'late.bin')}`, 'bs=1M', 'conv=fsync']);
    // As after a power failure: what is on the disk now.
    copyFileSync(image, source);
  } finally {
    await run(['umount', mountPoint]);
  }
  copyFileSync(join(tree, 'random.bin'), join(tree, 'late.bin'));
  const target = `${image}.target`;
  const { map } = await captureOnto(source, target);
  assert.equal(map, 'raw');
  assert.deepEqual(await digestMounted(target, mountPoint), digestTree(tree));
});

test('a Btrfs on two devices is taken raw: each knows only its part of the map', { skip: needsRoot }, async (t) => {
  const { image } = setUp(t, 160 * MiB);
  const second = `${image}.second`;
  makeEmptyFile(second, 160 * MiB);
  await run(['mkfs.btrfs', '-q', '-f', image, second]);
  assert.equal(await findDistrust('btrfs', readerOf(image)), 'it spans several devices');
  await run(['mkfs.btrfs', '-q', '-f', image]);
  assert.equal(await findDistrust('btrfs', readerOf(image)), undefined);
});

test('FAT12 is taken raw, because partclone misreads it', { skip: needsRoot }, async (t) => {
  const { image, tree } = setUp(t, 1440 * 1024);
  const files = [0, 1].map((i) => join(tree, `${i}.bin`));
  for (const [i, file] of files.entries()) {
    makeEmptyFile(file, 0);
    writeInto(file, 0, randomBytesOf(`fat12-${i}`, 600 * 1024));
  }
  await run(['mkfs.fat', '-F', '12', image]);
  await run(['mcopy', '-i', image, ...files, '::/']);
  await run(['mdel', '-i', image, '::/0.bin']);
  const target = `${image}.target`;
  const { map, warnings } = await captureOnto(image, target);
  assert.equal(map, 'raw');
  assert.match(warnings.join(), /partclone misreads FAT12/);
  assert.ok(readFileSync(target).equals(readFileSync(image)));
});

test('a FAT is known by its number of clusters, and must be called what it is', async (t) => {
  const { image } = setUp(t, 48 * MiB);
  for (const size of ['16', '32']) {
    await run(['mkfs.fat', '-F', size, image]);
    const boot = readFileSync(image).subarray(0, 512);
    assert.equal(distrustFat(boot), undefined);
    boot.write('FAT12   ', size === '16' ? 54 : 82, 'latin1');
    assert.equal(distrustFat(boot), 'its boot sector calls it "FAT12"');
    makeEmptyFile(image, 48 * MiB);
  }
});

test('a FAT that Linux did not unmount, or whose second table counts, is not believed', async (t) => {
  const { image } = setUp(t, 48 * MiB);
  for (const { size, dirtyAt } of [
    { size: '16', dirtyAt: 37 },
    { size: '32', dirtyAt: 65 },
  ]) {
    makeEmptyFile(image, 48 * MiB);
    await run(['mkfs.fat', '-F', size, image]);
    const boot = readFileSync(image).subarray(0, 512);
    if (size === '32') {
      boot.writeUInt16LE(0x81, 40);
      assert.equal(distrustFat(boot), 'partclone reads its first FAT, and another one counts');
      boot.writeUInt16LE(0x80, 40);
    }
    assert.equal(distrustFat(boot), undefined);
    boot[dirtyAt] = 1;
    assert.equal(distrustFat(boot), 'it was not unmounted cleanly');
  }
});

test('what partclone cannot count is not mapped: an XFS of more than 2^32 blocks, an ext4 with bigalloc', async (t) => {
  const { image } = setUp(t, 320 * MiB);
  await run(['mkfs.xfs', '-q', '-f', image]);
  const blocks = Buffer.alloc(8);
  blocks.writeBigUInt64BE(2n ** 32n);
  writeInto(image, 8, blocks);
  assert.equal(await findDistrust('xfs', readerOf(image)), 'partclone cannot count its blocks');
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-O', 'bigalloc', image]);
  assert.equal(await findDistrust('ext4', readerOf(image)), 'partclone does not know bigalloc');
});

test('an HFS+ that was found to be damaged is not believed', async () => {
  const header = Buffer.alloc(512);
  const volume = { read: () => header, withDevice: () => Promise.reject(new Error('none')) };
  header.writeUInt32BE(0x100, 4);
  assert.equal(await findDistrust('hfsplus', volume), undefined);
  header.writeUInt32BE(0x900, 4);
  assert.equal(await findDistrust('hfsplus', volume), 'it is marked as damaged');
});

test('an ext4, F2FS or Minix that was unmounted is believed, one that was not is not', async (t) => {
  const { image } = setUp(t, 64 * MiB);
  const cases = [
    { type: 'ext4', make: ['mke2fs', '-q', '-t', 'ext4', image], at: 1024 + 96, mark: (was: number) => was | 4 },
    // Both of its checkpoints: mkfs.f2fs writes the second only when it is mounted.
    { type: 'f2fs', make: ['mkfs.f2fs', '-q', image], at: 512 * 4096 + 132, mark: (was: number) => was & ~1 },
    { type: 'minix', make: ['mkfs.minix', '-1', image], at: 1024 + 18, mark: (was: number) => was & ~1 },
  ];
  for (const { type, make, at, mark } of cases) {
    makeEmptyFile(image, 64 * MiB);
    await run(make);
    assert.equal(await findDistrust(type, readerOf(image)), undefined, type);
    writeInto(image, at, Buffer.of(mark(readFileSync(image)[at]!)));
    assert.match((await findDistrust(type, readerOf(image))) ?? '', /^it was not unmounted cleanly/, type);
  }
});

test('an F2FS whose last checkpoint was not written to its end was not unmounted', async (t) => {
  const { image } = setUp(t, 64 * MiB);
  await run(['mkfs.f2fs', '-q', image]);
  const checkpoint = 512 * 4096;
  const blocks = readFileSync(image).readUInt32LE(checkpoint + 136);
  writeInto(image, checkpoint + (blocks - 1) * 4096, Buffer.alloc(8));
  assert.equal(await findDistrust('f2fs', readerOf(image)), 'it was not unmounted cleanly');
});

test('an exFAT with its dirty flag, or with two FATs, is not believed', async () => {
  const boot = Buffer.alloc(512);
  const volume = { read: () => boot, withDevice: () => Promise.reject(new Error('none')) };
  assert.equal(await findDistrust('exfat', volume), undefined);
  boot[110] = 2;
  assert.equal(await findDistrust('exfat', volume), 'partclone does not know which of its FATs counts');
  boot.writeUInt16LE(2, 106);
  assert.equal(await findDistrust('exfat', volume), 'it was not unmounted cleanly');
});

test('what xfs_logprint says of a log that it cannot read is no permission', () => {
  assert.equal(readXfsLogState('    log tail: 52 head: 52 state: <CLEAN>\n'), undefined);
  assert.match(readXfsLogState('    log tail: 2 head: 46 state: <DIRTY>\n')!, /log/);
  assert.equal(readXfsLogState('xfs_logprint: failed to find head and tail, error: 117\n'), 'its log cannot be read');
});
