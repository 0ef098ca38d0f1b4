import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyLayout } from '#agent/disk/layout-writer.ts';
import { linearTable } from '#agent/disk/linear-device.ts';
import { readPhysicalVolume } from '#agent/disk/lvm-metadata.ts';
import { parseConfig } from '#agent/disk/lvm-text.ts';
import { MD_HEAD_BYTES, readMirrorMember } from '#agent/disk/md-superblock.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { makeEmptyFile, makeTree } from '#test/client-agent/filesystems.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;
const START = MiB;

/** lvm(8) on one device, without the device-mapper that this kernel may not have. */
function lvm(device: string, ...words: string[]): Promise<unknown> {
  const config = `devices { use_devicesfile=0 filter=["a|^${device}$|", "r|.*|"] }`;
  const [command, ...rest] = words as [string, ...string[]];
  return run(['lvm', command, '--driverloaded', 'n', '--config', config, ...rest]);
}

test('of a physical volume only the used blocks of its logical volumes are carried, and it is the same one afterwards', {
  skip,
}, async (t) => {
  const folder = tempFolder(t);
  const [source, target] = [join(folder, 'source.img'), join(folder, 'target.img')];
  for (const path of [source, target]) makeEmptyFile(path, 200 * MiB);
  await run(['sfdisk', '--quiet', source], { input: `label: gpt\n\nstart=${START / 512}, type=lvm\n` });
  const { stdout } = await run([
    ...['losetup', '--find', '--show', '--offset', String(START), '--sizelimit', String(198 * MiB), source],
  ]);
  const node = stdout.trim();
  try {
    await lvm(node, 'pvcreate', node);
    await lvm(node, 'vgcreate', 'lab', node);
    for (const [name, size] of Object.entries({ root: '64M', swap: '32M', split: '8M', blank: '16M' })) {
      await lvm(node, 'lvcreate', '-an', '-Zn', '-Wn', '-L', size, '-n', name, 'lab');
    }
    await lvm(node, 'lvextend', '-L', '16M', 'lab/split');
  } finally {
    await run(['losetup', '--detach', node]);
  }
  const data = START + MiB;
  const [tree, image] = [join(folder, 'tree'), join(folder, 'root.img')];
  makeTree(tree);
  makeEmptyFile(image, 64 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, image]);
  writeInto(source, data, image);
  makeEmptyFile(join(folder, 'swap.img'), 32 * MiB);
  await run(['mkswap', '--uuid', '1d2f3a4b-0000-4000-8000-00000000000a', join(folder, 'swap.img')]);
  writeInto(source, data + 64 * MiB, join(folder, 'swap.img'));
  writeInto(source, data + 96 * MiB, Buffer.alloc(4096, 'split: its first piece'));
  writeInto(source, data + 120 * MiB, Buffer.alloc(4096, 'split: its second piece'));

  const sink = new ChunkSink();
  const { warnings } = await capture(diskOf(source), sink.link);
  const manifest = sink.lay(target);
  await applyLayout(diskOf(target), manifest.head.layout);

  const told = manifest.volumes.map(({ within, startBytes, sizeBytes, filesystem, map }) => {
    return [within?.name, within?.offsetBytes ?? 0, startBytes - data, sizeBytes / MiB, filesystem, map];
  });
  assert.deepEqual(told.slice(1), [
    ['lab', 0, -MiB, 1, 'LVM2_member', 'raw'],
    ['lab/root', 0, 0, 64, 'ext4', 'partclone.extfs'],
    ['lab/swap', 0, 64 * MiB, 32, 'swap', 'none'],
    ['lab/split', 0, 96 * MiB, 8, undefined, 'raw'],
    ['lab/blank', 0, 104 * MiB, 16, undefined, 'raw'],
    ['lab/split', 8 * MiB, 120 * MiB, 8, undefined, 'raw'],
  ]);
  assert.equal(manifest.volumes.at(-2)!.indices.length, 0, 'what is blank carries nothing');
  assert.equal(warnings.length, warnings.filter((text) => text.includes('lies in pieces')).length);
  const [was, is] = [readFileSync(source), readFileSync(target)];
  assert.ok(is.subarray(START, data).equals(was.subarray(START, data)), 'labels and metadata');
  assert.ok(is.subarray(data + 96 * MiB, data + 128 * MiB).equals(was.subarray(data + 96 * MiB, data + 128 * MiB)));
  await run(['dd', `if=${target}`, `of=${image}`, 'bs=1M', `skip=${data / MiB}`, 'count=64', 'status=none']);
  await run(['e2fsck', '-fn', image]);

  await t.test('what reads its metadata reads it as lvm does', () => {
    const found = readPhysicalVolume((at, length) => was.subarray(START + at, START + at + length), 198 * MiB);
    assert.ok(typeof found !== 'string', String(found));
    assert.equal(found.group, 'lab');
    assert.equal(found.dataStartBytes, MiB);
    assert.deepEqual(found.metadata, [{ startBytes: 0, sizeBytes: MiB }]);
    assert.ok(found.runs.every((run) => run.isPlain));
  });

  await t.test('damaged metadata is refused, and the volume is then taken raw', async () => {
    const at = START + 4096 + 512;
    const [broken, copy] = [join(folder, 'broken.img'), join(folder, 'copy.img')];
    await run(['cp', '--sparse=always', source, broken]);
    writeInto(broken, at, Buffer.alloc(128 * 1024, 0x20));
    makeEmptyFile(copy, 200 * MiB);
    const whole = new ChunkSink();
    const result = await capture(diskOf(broken), whole.link);
    assert.deepEqual(result.warnings, ['partition 1: LVM2_member taken raw: none of its metadata areas can be read']);
    const { volumes } = whole.lay(copy);
    assert.ok(volumes.every((volume) => volume.within === undefined));
    const partition = (path: string) => readFileSync(path).subarray(START, START + 198 * MiB);
    assert.ok(partition(copy).equals(partition(broken)));
  });
});

test("LVM's text is read with its sections, lists, strings and comments, and nothing else is", () => {
  const text = 'vg { # one\nid = "a\\"#b"\nsize = 8192\nlist = ["x", 3]\nempty = []\nin { }\n}\nversion = 1\n';
  assert.deepEqual(structuredClone(parseConfig(text)), {
    vg: { id: 'a"#b', size: 8192, list: ['x', 3], empty: [], in: {} },
    version: 1,
  });
  for (const bad of ['vg {', '}', 'a =', 'a = [', 'a b', 'a = }']) assert.equal(parseConfig(bad), undefined, bad);
});

test('a member of a mirror says where its data lies; other arrays are not taken for one', () => {
  const head = Buffer.alloc(MD_HEAD_BYTES);
  head.writeUInt32LE(0xa92b4efc, 4096);
  head.writeUInt32LE(1, 4100);
  head.fill('ab', 4096 + 16, 4096 + 32, 'hex');
  head.writeInt32LE(1, 4096 + 72);
  head.writeBigUInt64LE(2048n, 4096 + 128);
  head.writeBigUInt64LE(8192n, 4096 + 136);
  assert.deepEqual(readMirrorMember(head, 8 * MiB), {
    arrayId: 'ab'.repeat(16),
    dataStartBytes: MiB,
    dataBytes: 4 * MiB,
  });
  assert.equal(readMirrorMember(head, 4 * MiB), undefined, 'it does not fit');
  head.writeInt32LE(5, 4096 + 72);
  assert.equal(readMirrorMember(head, 8 * MiB), undefined, 'RAID 5');
});

test('pieces of a disk follow each other in the table of device-mapper', () => {
  const pieces = [
    { startBytes: 4 * MiB, sizeBytes: MiB },
    { startBytes: MiB, sizeBytes: 2 * MiB },
  ];
  assert.equal(linearTable('/dev/vda', pieces), '0 2048 linear /dev/vda 8192\n2048 4096 linear /dev/vda 2048\n');
});
