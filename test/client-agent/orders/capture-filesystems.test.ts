import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { applyLayout } from '#agent/disk/layout-writer.ts';
import type { Manifest } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { makePartitionedDisk } from '#test/client-agent/disk/sample-tables.ts';
import { digestTree, filesystems, makeEmptyFile, makeTree, randomBytesOf } from '#test/client-agent/filesystems.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;
const BASIC_DATA = 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7';

/** One disk with every filesystem, captured once and laid on an empty one. */
const folder = mkdtempSync(join(tmpdir(), 'fleetcast-test-'));
const tree = join(folder, 'tree');
const source = join(folder, 'source.img');
const target = join(folder, 'target.img');
const startsBytes = filesystems.map((_, i) => MiB + filesystems.slice(0, i).reduce((sum, fs) => sum + fs.sizeBytes, 0));
const diskBytes = startsBytes.at(-1)! + filesystems.at(-1)!.sizeBytes + MiB;
let manifest: Manifest;
let warnings: readonly string[];
let hashBefore: string;

before(async () => {
  if (skip) return;
  makeTree(tree);
  makeEmptyFile(target, diskBytes);
  const lines = filesystems.map(
    (fs, i) => `source${i + 1} : start=${startsBytes[i]! / 512}, size=${fs.sizeBytes / 512}`,
  );
  await makePartitionedDisk(source, diskBytes, ['label: gpt', '', ...lines]);
  for (const [i, fs] of filesystems.entries()) {
    const image = join(folder, `fs${i}`);
    makeEmptyFile(image, fs.sizeBytes);
    await fs.make(image, tree);
    await run(['dd', `if=${image}`, `of=${source}`, 'bs=1M', `seek=${startsBytes[i]! / MiB}`, 'conv=notrunc,sparse']);
    rmSync(image);
  }
  hashBefore = hashOf(source);
  const sink = new ChunkSink();
  ({ warnings } = await capture(diskOf(source), sink.link));
  manifest = sink.lay(target);
  await applyLayout(diskOf(target), manifest.head.layout);
});

after(() => rmSync(folder, { recursive: true, force: true }));

for (const [i, fs] of filesystems.entries()) {
  test(`${fs.name} comes back sound and with all its files from its used blocks alone`, { skip }, async () => {
    const volume = manifest.volumes.find((one) => one.partition === i + 1)!;
    assert.equal(volume.filesystem, fs.blkidType);
    assert.match(volume.map, fs.blkidType === 'btrfs' ? /^extent-tree$/ : /^partclone\./);
    const used = volume.extents.reduce((sum, at, j) => sum + (j % 2 === 0 ? -at : at), 0);
    assert.ok(used < fs.sizeBytes * 0.9, `${used} bytes of ${fs.sizeBytes} are used`);
    const image = join(folder, `back${i}`);
    await run([
      'dd',
      `if=${target}`,
      `of=${image}`,
      'bs=1M',
      `skip=${startsBytes[i]! / MiB}`,
      `count=${fs.sizeBytes / MiB}`,
    ]);
    const out = join(folder, `out${i}`);
    mkdirSync(out);
    await fs.extract(image, out, tree);
    assert.deepEqual(digestTree(out), digestTree(tree));
    await fs.check(image);
    rmSync(image);
  });
}

test('the capture changes nothing on the source, warns of nothing, and leaves no loop device', { skip }, async () => {
  assert.equal(hashOf(source), hashBefore);
  assert.deepEqual(warnings, []);
  assert.ok(!(await run(['losetup', '--all'])).stdout.includes(source));
});

test('the target has the table of the source', { skip }, async () => {
  const [a, b] = await Promise.all([source, target].map((path) => run(['sfdisk', '-d', path])));
  assert.equal(b!.stdout.replaceAll(target, source), a!.stdout);
});

test('a damaged filesystem is taken raw, with a warning that says why', { skip }, async () => {
  const path = join(folder, 'damaged.img');
  makeEmptyFile(path, 32 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, path]);
  writeInto(path, 2048, Buffer.alloc(64 * 1024, 0xa5));
  const copy = join(folder, 'damaged-copy.img');
  makeEmptyFile(copy, 32 * MiB);
  const sink = new ChunkSink();
  const result = await capture(diskOf(path), sink.link);
  assert.equal(sink.lay(copy).volumes[0]!.map, 'raw');
  assert.equal(result.warnings.length, 1);
  assert.match(result.warnings[0]!, /^the disk: taken raw, because the used blocks of its ext4 cannot be told: ./);
  assert.deepEqual(readFileSync(copy), readFileSync(path));
});

test('a volume of BitLocker is named before the upload, and comes back to the byte, without its zeros', {
  skip,
}, async () => {
  const [path, copy] = [join(folder, 'bitlocker.img'), join(folder, 'bitlocker-copy.img')];
  const volume = { startBytes: MiB, sizeBytes: 16 * MiB };
  const line = `source1 : start=${volume.startBytes / 512}, size=${volume.sizeBytes / 512}, type=${BASIC_DATA}`;
  await makePartitionedDisk(path, 18 * MiB, ['label: gpt', '', line]);
  makeBitLocker(path, volume.startBytes);
  makeEmptyFile(copy, 18 * MiB);
  const sink = new ChunkSink();
  const told: string[] = [];
  const result = await capture(diskOf(path), sink.link, {
    onProgress: ({ phase, warnings = [] }) => void told.push(...warnings.map((warning) => `${phase} ${warning}`)),
  });
  const laid = sink.lay(copy);
  await applyLayout(diskOf(copy), laid.head.layout);
  assert.deepEqual(
    laid.volumes.filter(({ kind }) => kind === 'partition').map(({ filesystem, map }) => [filesystem, map]),
    [['BitLocker', 'raw']],
  );
  assert.ok(result.usedBytes < 8 * MiB, `${result.usedBytes}`);
  assert.match(result.warnings.join(), /^partition 1: encrypted by BitLocker, .* manage-bde -off C:$/);
  assert.ok(told.includes(`hash ${result.warnings[0]}`));
  const bytesOf = (file: string) =>
    readFileSync(file).subarray(volume.startBytes, volume.startBytes + volume.sizeBytes);
  assert.deepEqual(bytesOf(copy), bytesOf(path));
});

/**
 * What tells a BitLocker volume of Windows 7 and later (libblkid, superblocks/bitlocker.c; libbde, "BitLocker Drive Encryption format"): its
 * boot record, and the three blocks of metadata that it names; then 4 MiB that look encrypted, zeros, and some at the end.
 */
function makeBitLocker(path: string, startBytes: number): void {
  const boot = Buffer.alloc(512);
  boot.write('\xeb\x58\x90-FVE-FS-', 0, 'latin1');
  boot.writeUInt16LE(512, 11);
  boot.writeUInt8(8, 13);
  Buffer.from('3bd66749292ed84a8399f6a339e3d001', 'hex').copy(boot, 160);
  boot.writeUInt16LE(0xaa55, 510);
  for (const [i, at] of [MiB, 2 * MiB, 3 * MiB].entries()) {
    boot.writeBigUInt64LE(BigInt(at), 176 + 8 * i);
    const metadata = Buffer.alloc(64);
    metadata.write('-FVE-FS-', 'latin1');
    metadata.writeUInt16LE(2, 10);
    writeInto(path, startBytes + at, metadata);
  }
  writeInto(path, startBytes, boot);
  writeInto(path, startBytes + 4 * MiB, randomBytesOf('encrypted', 4 * MiB));
  writeInto(path, startBytes + 16 * MiB - 4096, randomBytesOf('end', 4096));
}

test('what Windows keeps of its memory stays behind, and a system that sleeps in it is named before the upload', {
  skip,
}, async () => {
  const path = join(folder, 'windows.img');
  makeEmptyFile(path, 48 * MiB);
  await run(['mkfs.ntfs', '-q', '-F', '-f', path]);
  const files = { 'kept.bin': 'kept', 'pagefile.sys': 'page', 'hiberfil.sys': 'hibr' };
  for (const [name, seed] of Object.entries(files)) {
    const content = join(folder, name);
    writeFileSync(content, Buffer.concat([Buffer.from(seed), randomBytesOf(seed, 6 * MiB)]));
    await run(['ntfscp', '-f', path, content, name]);
  }
  const before = hashOf(path);
  const copy = join(folder, 'windows-copy.img');
  makeEmptyFile(copy, 48 * MiB);
  const sink = new ChunkSink();
  const told: string[] = [];
  const result = await capture(diskOf(path), sink.link, {
    onProgress: ({ phase, warnings = [] }) => void told.push(...warnings.map((warning) => `${phase} ${warning}`)),
  });
  const manifest = sink.lay(copy);
  assert.equal(hashOf(path), before);
  assert.ok(result.usedBytes < 12 * MiB, `${result.usedBytes} bytes, of which 6 MiB are a file`);
  assert.equal(manifest.volumes[0]!.map, 'partclone.ntfs');
  assert.equal(result.warnings.length, 1);
  assert.match(result.warnings[0]!, /^the disk: a hibernated Windows sleeps in it .*shutdown \/s/);
  assert.ok(told.includes(`hash ${result.warnings[0]}`));
  const out = join(folder, 'kept.out');
  await run(['sh', '-c', 'exec ntfscat "$1" kept.bin >"$2"', 'sh', copy, out]);
  assert.equal(hashOf(out), hashOf(join(folder, 'kept.bin')));
  await run(['ntfsfix', '-n', copy]);
});

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
