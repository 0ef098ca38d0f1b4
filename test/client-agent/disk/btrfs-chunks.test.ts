import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addCopies, chunksFromDump } from '#agent/disk/btrfs-chunks.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { makeEmptyFile, makeTree } from '#test/client-agent/filesystems.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root (mounts)';
const MiB = 1024 * 1024;

/** btrfs-progs 6.14, shortened. */
const dump = `btrfs-progs v6.14
chunk tree
leaf 22036480 items 4 free space 15781 generation 7 owner CHUNK_TREE
\titem 0 key (DEV_ITEMS DEV_ITEM 1) itemoff 16185 itemsize 98
\t\tdevid 1 total_bytes 314572800 bytes_used 92274688
\titem 1 key (FIRST_CHUNK_TREE CHUNK_ITEM 13631488) itemoff 16105 itemsize 80
\t\tlength 8388608 owner 2 stripe_len 65536 type DATA|single
\t\tnum_stripes 1 sub_stripes 1
\t\t\tstripe 0 devid 1 offset 13631488
\titem 2 key (FIRST_CHUNK_TREE CHUNK_ITEM 22020096) itemoff 15993 itemsize 112
\t\tlength 8388608 owner 2 stripe_len 65536 type SYSTEM|DUP
\t\tnum_stripes 2 sub_stripes 1
\t\t\tstripe 0 devid 1 offset 22020096
\t\t\tdev_uuid 1a2b3c4d-0000-4000-8000-000000000001
\t\t\tstripe 1 devid 1 offset 30408704
`;

test("the chunks of a Btrfs are read from its program's dump", () => {
  assert.deepEqual(chunksFromDump(dump), [
    { sizeBytes: 8 * MiB, places: [13631488] },
    { sizeBytes: 8 * MiB, places: [22020096, 30408704] },
  ]);
});

test('what is used at one place of a chunk is used at the other one too', () => {
  const chunks = [
    { sizeBytes: 100, places: [0] },
    { sizeBytes: 100, places: [100, 300] },
  ];
  const copied = addCopies(Float64Array.from([50, 110, 150, 160, 190, 220, 395, 500]), chunks, 1000);
  assert.deepEqual([...copied], [50, 110, 150, 160, 190, 220, 300, 310, 350, 360, 390, 500]);
  const large = addCopies(Float64Array.from([0, 1]), [], 100 * MiB);
  assert.deepEqual([...large], [0, 1, 64 * MiB, 64 * MiB + 4096], 'the second superblock');
});

test('the second copy of the metadata of a Btrfs comes back too: a scrub finds no fault', {
  skip: needsRoot,
}, async (t) => {
  const folder = tempFolder(t);
  const [source, target, mountPoint, tree] = ['source.img', 'target.img', 'mount', 'tree'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  makeEmptyFile(source, 256 * MiB);
  makeTree(tree);
  mkdirSync(mountPoint);
  await run(['mkfs.btrfs', '-q', '-f', '--metadata', 'dup', '--data', 'dup', '--rootdir', tree, source]);
  const sink = new ChunkSink();
  await capture(diskOf(source), sink.link);
  makeEmptyFile(target, 256 * MiB);
  writeInto(target, 0, Buffer.alloc(256 * MiB, 0x5a));
  assert.equal(sink.lay(target).volumes[0]!.map, 'partclone.btrfs');
  await run(['mount', '-o', 'loop', target, mountPoint]);
  try {
    // Exit code 3: faults were found, also where they could be mended.
    const { stdout } = await run(['btrfs', 'scrub', 'start', '-B', '-r', mountPoint]);
    assert.match(stdout, /no errors found/);
  } finally {
    await run(['umount', mountPoint]);
  }
});
