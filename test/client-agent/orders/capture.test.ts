import assert from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Progress } from '#protocol/agent-api.ts';
import { type KnownError, knownError } from '#protocol/errors.ts';
import { idAt } from '#protocol/manifest.ts';
import { layoutsOf, partOfDisk } from '#protocol/source-disk.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { makeEmptyFile, makeTree, randomBytesOf } from '#test/client-agent/filesystems.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;

/** 24 MiB without table: random data, zeros, some bytes alone in a block, data to the very end. */
function makeRawDisk(folder: string): string {
  const path = join(folder, 'raw.img');
  makeEmptyFile(path, 24 * MiB + 3 * 4096);
  writeInto(path, 0, randomBytesOf('first', 3 * MiB + 5000));
  writeInto(path, 9 * MiB + 77, Buffer.from('alone'));
  writeInto(path, 24 * MiB + 4096, randomBytesOf('end', 8192));
  return path;
}

test('a disk of unknown content is carried bit for bit, without its zeros', async (t) => {
  const folder = tempFolder(t);
  const path = makeRawDisk(folder);
  const sink = new ChunkSink();
  const result = await capture(diskOf(path), sink.link);
  const copy = join(folder, 'copy.img');
  makeEmptyFile(copy, diskOf(path).sizeBytes);
  const manifest = sink.lay(copy);
  assert.deepEqual(readFileSync(copy), readFileSync(path));
  assert.equal(result.manifestId, manifest.id);
  assert.deepEqual(
    [...manifest.volumes[0]!.extents],
    [0, 3 * MiB + 8192, 9 * MiB, 9 * MiB + 4096, 24 * MiB + 4096, 24 * MiB + 12288],
  );
  assert.equal(result.usedBytes, 3 * MiB + 8192 + 4096 + 8192);
  assert.equal(result.chunks, 13 + 1 + 1);
});

test('several disks make one image, with one list of chunks, of which each disk has its part', async (t) => {
  const folder = tempFolder(t);
  const paths = [makeRawDisk(folder), join(folder, 'other.img')];
  makeEmptyFile(paths[1]!, 8 * MiB);
  writeInto(paths[1]!, 2 * MiB, randomBytesOf('other', 2 * MiB));
  const sink = new ChunkSink();
  const result = await capture(
    paths.map((path) => diskOf(path)),
    sink.link,
  );
  const manifest = sink.manifest!;
  assert.deepEqual(
    layoutsOf(manifest.head).map(({ diskBytes }) => diskBytes),
    [24 * MiB + 3 * 4096, 8 * MiB],
  );
  assert.equal(result.chunks, 15 + 8);
  assert.match(result.warnings[1]!, /^the whole of disk 2: what it holds is not known/);
  for (const [i, path] of paths.entries()) {
    const copy = join(folder, `copy-${i}.img`);
    makeEmptyFile(copy, diskOf(path).sizeBytes);
    sink.lay(copy, partOfDisk(manifest, i));
    assert.deepEqual(readFileSync(copy), readFileSync(path));
  }
});

test('chunks arrive in disk order', async (t) => {
  const sink = new ChunkSink();
  await capture(diskOf(makeRawDisk(tempFolder(t))), sink.link, { chunkBytes: 64 * 1024 });
  const manifest = sink.manifest!;
  const ids = Array.from({ length: manifest.chunkCount }, (_, i) => Buffer.from(idAt(manifest, i)).toString('hex'));
  assert.deepEqual(sink.order, ids);
});

test('every chunk size gives the same disk', async (t) => {
  const folder = tempFolder(t);
  const path = makeRawDisk(folder);
  for (const chunkBytes of [64 * 1024, MiB, 4 * MiB]) {
    const sink = new ChunkSink();
    await capture(diskOf(path), sink.link, { chunkBytes });
    const copy = join(folder, `copy-${chunkBytes}.img`);
    makeEmptyFile(copy, diskOf(path).sizeBytes);
    sink.lay(copy);
    assert.deepEqual(readFileSync(copy), readFileSync(path));
  }
});

test('the same disk again has the same manifest id and sends nothing; a changed file sends only what changed', {
  skip: needsRoot,
}, async (t) => {
  const folder = tempFolder(t);
  const tree = join(folder, 'tree');
  makeTree(tree);
  const path = join(folder, 'disk.img');
  makeEmptyFile(path, 48 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, path]);
  const sink = new ChunkSink();
  const first = await capture(diskOf(path), sink.link);
  assert.equal(first.uploadedChunks, first.chunks);
  const again = await capture(diskOf(path), sink.link);
  assert.deepEqual(again, { ...first, uploadedChunks: 0, uploadedBytes: 0 });

  const { extents } = sink.manifest!.volumes[0]!;
  const last = extents.findLastIndex((end, i) => i % 2 === 1 && i + 1 < extents.length && extents[i + 1]! - end > MiB);
  writeInto(path, extents[last]! + 1024, randomBytesOf('garbage in free space', 4096));
  assert.equal((await capture(diskOf(path), sink.link)).manifestId, first.manifestId);

  await run(['debugfs', '-w', '-R', `write ${join(tree, 'folder-1/text-1.txt')} new`, path]);
  const changed = await capture(diskOf(path), sink.link);
  assert.notEqual(changed.manifestId, first.manifestId);
  assert.ok(changed.uploadedChunks > 0 && changed.uploadedChunks < 8, `${changed.uploadedChunks} chunks were sent`);
});

test('chunks of a call that broke are sent by another pass', async (t) => {
  const sink = new ChunkSink();
  sink.onChunks = (call) => {
    if (call === 1) throw new Error('ECONNRESET');
  };
  const result = await capture(diskOf(makeRawDisk(tempFolder(t))), sink.link);
  assert.ok(sink.chunkCalls > 1);
  assert.equal(sink.chunks.size, result.chunks);
  assert.equal(sink.manifest!.id, result.manifestId);
});

test('what the server refuses ends the capture with its error, and no manifest is sent', async (t) => {
  const sink = new ChunkSink();
  sink.onChunks = () => {
    throw knownError('STORE_FULL', { path: '/store', freeBytes: 0 });
  };
  await assert.rejects(capture(diskOf(makeRawDisk(tempFolder(t))), sink.link), { code: 'STORE_FULL' });
  assert.equal(sink.manifest, undefined);
});

test('a byte that cannot be read is named', async (t) => {
  const path = makeRawDisk(tempFolder(t));
  const onProgress = ({ phase }: Progress) => {
    if (phase === 'map') truncateSync(path, 20 * MiB + 8192);
  };
  await assert.rejects(capture(diskOf(path), new ChunkSink().link, { onProgress }), {
    code: 'DISK_READ_FAILED',
    message: `{host}: reading ${path} at byte ${20 * MiB + 8192} failed: it ends at byte ${20 * MiB + 8192}`,
  });
});

test('an abort ends it at once, without a manifest', async (t) => {
  const controller = new AbortController();
  const sink = new ChunkSink();
  const link = {
    ...sink.link,
    lacking: () => {
      controller.abort(new Error('cancelled by the admin'));
      return new Promise<Buffer>(() => {});
    },
  };
  const path = makeRawDisk(tempFolder(t));
  await assert.rejects(capture(diskOf(path), link, { signal: controller.signal }), /cancelled by the admin/);
  assert.equal(sink.manifest, undefined);
});

test('progress goes from map over upload to all bytes', async (t) => {
  const seen: Progress[] = [];
  const sink = new ChunkSink();
  const path = makeRawDisk(tempFolder(t));
  await capture(diskOf(path), sink.link, { onProgress: (progress) => seen.push(progress) });
  assert.equal(seen[0]!.phase, 'map');
  const last = seen.at(-1)!;
  assert.deepEqual(
    [last.phase, last.doneBytes, last.totalBytes],
    ['upload', diskOf(path).sizeBytes, diskOf(path).sizeBytes],
  );
});

test('swap is carried by name, and a hibernated one is told', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'swap.img');
  makeEmptyFile(path, 8 * MiB);
  await run(['mkswap', '--label', 'pages', '--uuid', '0b9d2d4e-6d8c-4a53-8f1c-2f6a4b1f0c11', path]);
  writeInto(path, 5 * MiB, randomBytesOf('swapped', 4096));
  const sink = new ChunkSink();
  const result = await capture(diskOf(path), sink.link);
  assert.deepEqual([result.chunks, result.warnings], [0, []]);
  const { swap, filesystem, map } = sink.manifest!.volumes[0]!;
  assert.deepEqual([filesystem, map], ['swap', 'none']);
  assert.deepEqual(swap, { uuid: '0b9d2d4e-6d8c-4a53-8f1c-2f6a4b1f0c11', label: 'pages', pageBytes: 4096 });

  writeInto(path, 4096 - 10, Buffer.from('S1SUSPEND\0'));
  const hibernated = await capture(diskOf(path), sink.link);
  assert.match(hibernated.warnings.join(), /hibernated system/);
  assert.equal(hibernated.manifestId, result.manifestId);
});

test('bad sectors end a capture; a rescue reads on, fills with zeros what is lost, and says where it was', {
  skip: needsRoot,
}, async (t) => {
  const path = join(tempFolder(t), 'bad.img');
  makeEmptyFile(path, 8 * MiB);
  writeInto(path, 0, randomBytesOf('whole', 6 * MiB));
  const node = (await run(['losetup', '--find', '--show', path])).stdout.trim();
  t.after(() => run(['losetup', '--detach', node]));
  // Where its file has ended meanwhile, a loop device answers EIO.
  truncateSync(path, 5 * MiB + 4096);
  const disk = { ...diskOf(path), path: node, sizeBytes: 8 * MiB };

  await assert.rejects(capture(disk, new ChunkSink().link), (error: KnownError) => {
    assert.equal(error.code, 'DISK_READ_FAILED');
    assert.match(error.next, /--rescue/);
    return true;
  });

  const sink = new ChunkSink();
  const result = await capture(disk, sink.link, { rescue: true });
  const lost = 3 * MiB - 4096;
  assert.equal(result.lostBytes, lost);
  assert.deepEqual(result.warnings, [
    `the disk: what it holds is not known: ${5 * MiB + 4096} bytes taken raw`,
    `the disk: ${lost} used bytes could not be read and are zeros in the image: bytes ${5 * MiB + 4096}–${8 * MiB - 1} of the disk`,
  ]);
  const copy = `${path}.copy`;
  makeEmptyFile(copy, 8 * MiB);
  sink.lay(copy);
  assert.deepEqual(readFileSync(copy).subarray(0, 5 * MiB + 4096), readFileSync(path));
});
