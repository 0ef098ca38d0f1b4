import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readLayout } from '#agent/disk/layout-reader.ts';
import { tryLayout } from '#agent/disk/table-trial.ts';
import { run } from '#system/run.ts';
import { ChunkSink } from '#test/client-agent/chunk-sink.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { capture, diskOf, writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makePartitionedDisk } from './sample-tables.ts';

const MiB = 1024 * 1024;

test('a dynamic disk of Windows comes back to the byte, database and all, though an old filesystem seems to fill it', async (t) => {
  const folder = tempFolder(t);
  const path = await makePartitionedDisk(join(folder, 'disk'), 40 * MiB, [
    'label: dos',
    '',
    'start=63,size=70000,type=42',
  ]);
  // The superblock of an ext4 that once had the whole disk: its map must not be asked for.
  const old = join(folder, 'old');
  makeEmptyFile(old, 40 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', old]);
  writeInto(path, 1024, readFileSync(old).subarray(1024, 2048));
  writeInto(path, 20 * MiB, Buffer.alloc(4096, 'data of a volume'));
  writeInto(path, 40 * MiB - 512, Buffer.from('PRIVHEAD'));
  const sink = new ChunkSink();
  const { warnings } = await capture(diskOf(path), sink.link);
  assert.deepEqual(warnings, [
    'the disk: taken raw, to the byte, as one without partitions: it is a dynamic disk of Windows, whose database lies behind all partitions',
  ]);
  const target = join(folder, 'target');
  makeEmptyFile(target, 40 * MiB);
  const { layout } = sink.lay(target).head;
  assert.equal(layout.label, 'none');
  assert.ok(readFileSync(target).equals(readFileSync(path)));
});

test('a table that sfdisk does not lay as it was is found before anything is uploaded', async (t) => {
  const path = await makePartitionedDisk(join(tempFolder(t), 'disk'), 40 * MiB, [
    'label: dos',
    '',
    'start=2048,size=2048',
  ]);
  const layout = await readLayout(path, 512);
  await tryLayout(path, layout);
  const [partition] = layout.partitions;
  const beyond = { ...layout, partitions: [{ ...partition!, sectors: 1_000_000 }] };
  await assert.rejects(tryLayout(path, beyond), { code: 'LAYOUT_UNSUPPORTED' });
});
