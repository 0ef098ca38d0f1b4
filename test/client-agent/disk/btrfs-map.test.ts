import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { mapBtrfs } from '#agent/disk/btrfs-map.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root (mounts)';
const MiB = 1024 * 1024;
const SIZE_BYTES = 256 * MiB;
/** With names so long that a leaf has few of them: trees of three levels. */
const FILES = 1500;
const nameOf = (i: number) => `${String(i).padStart(5, '0')}-${'x'.repeat(120)}`;

for (const [kind, args] of [
  ['that keeps everything twice, in small nodes', ['--metadata', 'dup', '--data', 'dup', '--nodesize', '4096']],
  ['that keeps all once, data and metadata in the same chunks', ['--mixed']],
  ['whose metadata has other checksums, and old extent items', ['--csum', 'sha256', '--features', '^skinny-metadata']],
] as const) {
  test(`a Btrfs that was used comes back whole: one ${kind}`, { skip: needsRoot }, async (t) => {
    const [source, target] = [await usedBtrfs(t, args), join(tempFolder(t), 'target.img')];
    const sink = new ChunkSink();
    const { warnings } = await capture(diskOf(source), sink.link);
    assert.deepEqual(warnings, []);
    makeEmptyFile(target, SIZE_BYTES);
    writeInto(target, 0, Buffer.alloc(SIZE_BYTES, 0x5a));
    assert.equal(sink.lay(target).volumes[0]!.map, 'extent-tree');
    await run(['btrfs', 'check', '--readonly', '--check-data-csum', target]);
    // Both copies. Exit code 3: faults were found, also where they could be mended.
    assert.match(await whileMounted(t, target, 'btrfs scrub start -B -r .'), /no errors found/);
  });
}

test('what a Btrfs says of itself must hold, else it has no map', { skip: needsRoot }, async (t) => {
  const bytes = readFileSync(await usedBtrfs(t, ['--metadata', 'single']));
  const mapWith = (at: number, patch: Buffer, sizeBytes = SIZE_BYTES) => {
    const other = Buffer.from(bytes);
    patch.copy(other, at);
    return mapBtrfs((offset, length) => other.subarray(offset, offset + length), sizeBytes);
  };
  const superblock = 65536;
  const number = (value: bigint) => {
    const patch = Buffer.alloc(8);
    patch.writeBigUInt64LE(value);
    return patch;
  };
  assert.ok((await mapWith(0, Buffer.alloc(0))) instanceof Float64Array);
  const used = bytes.readBigUInt64LE(superblock + 120);
  assert.match(
    String(await mapWith(superblock + 120, number(used + 4096n))),
    /its extents have \d+ bytes, its superblock says \d+/,
  );
  assert.match(String(await mapWith(superblock + 188, number(0x1000n))), /features that are not known here \(0x1000\)/);
  assert.match(String(await mapWith(superblock + 64, number(0n))), /no superblock/);
  assert.match(String(await mapWith(superblock + 80, number(1n))), /nothing says where its bytes at 1 lie/);
  assert.match(String(await mapWith(superblock + 201, number(7n))), /spans several devices/);
  assert.match(String(await mapWith(0, Buffer.alloc(0), 32 * MiB)), /larger than its place on the disk/);
  const root = bytes.readBigUInt64LE(superblock + 80);
  let node = superblock + 4096;
  while (bytes.readBigUInt64LE(node + 48) !== root) node += 4096;
  assert.match(String(await mapWith(node, Buffer.alloc(4096))), new RegExp(`its node at ${root} is damaged`));
});

/** With subvolume, snapshot, and files that have come and gone since. */
async function usedBtrfs(t: TestContext, args: readonly string[]): Promise<string> {
  const folder = tempFolder(t);
  const image = join(folder, 'source.img');
  makeEmptyFile(image, SIZE_BYTES);
  await run(['mkfs.btrfs', '-q', '-f', ...args, image]);
  for (const name of ['first', 'second']) mkdirSync(join(folder, name));
  for (let i = 0; i < FILES; i++) {
    writeFileSync(join(folder, 'first', nameOf(i)), Buffer.alloc(i % 20 === 0 ? 50_000 : 50, `${i} `));
    if (i % 7 === 1) writeFileSync(join(folder, 'second', nameOf(i)), Buffer.alloc(9000, `${i} again`));
  }
  await whileMounted(
    t,
    image,
    `
btrfs subvolume create home >/dev/null
cp -r ${folder}/first/. home
btrfs subvolume snapshot -r home before >/dev/null
rm home/*[147]-*
cp -r ${folder}/second/. home`,
  );
  return image;
}

/**
 * Runs a shell script in the folder where it is mounted; its output. In a namespace of its own: one that another test copies meanwhile would keep
 * it mounted, and two with the same UUID cannot be.
 */
async function whileMounted(t: TestContext, image: string, script: string): Promise<string> {
  const folder = join(tempFolder(t), 'mount');
  mkdirSync(folder);
  const whole = `set -e; mount -o loop "$0" "$1"; cd "$1"\n${script}\ncd /; umount "$1"`;
  return (await run(['unshare', '--mount', 'sh', '-c', whole, image, folder])).stdout;
}
