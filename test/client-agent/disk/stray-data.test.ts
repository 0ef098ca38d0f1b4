import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readLayout } from '#agent/disk/layout-reader.ts';
import { findStrayData, gapsOf } from '#agent/disk/stray-data.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { gptTable, makePartitionedDisk, mbrTable } from './sample-tables.ts';

const MiB = 1024 * 1024;

test('gaps are what neither the table, nor a volume, nor an extended partition covers', async (t) => {
  const folder = tempFolder(t);
  const gpt = await readLayout(
    await makePartitionedDisk(join(folder, 'gpt'), 100 * MiB, [
      'label: gpt',
      '',
      'start=2048,size=2048',
      'start=8192,size=2048',
    ]),
    512,
  );
  const sectors = gapsOf(gpt).map(({ startBytes, endBytes }) => [startBytes / 512, endBytes / 512]);
  assert.deepEqual(sectors, [
    [4096, 8192],
    [10240, 204800 - 33],
  ]);
  const mbr = await readLayout(
    await makePartitionedDisk(join(folder, 'mbr'), 100 * MiB, [
      'label: dos',
      '',
      'start=40960,size=2048',
      'start=45056,size=4096,type=5',
      'start=46080,size=1024',
    ]),
    512,
  );
  assert.deepEqual(
    gapsOf(mbr).map(({ startBytes, endBytes }) => [startBytes / 512, endBytes / 512]),
    [
      [1 + 32768, 40960],
      [43008, 45056],
      [49152, 204800],
    ],
  );
});

test('what lies in no partition is named, and clean disks are not', async (t) => {
  const folder = tempFolder(t);
  for (const [name, script] of [
    ['gpt', gptTable],
    ['mbr', mbrTable],
  ] as const) {
    const path = await makePartitionedDisk(join(folder, name), 100 * MiB, script);
    assert.deepEqual(findStrayData(path, await readLayout(path, 512)), []);
  }
  const path = await makePartitionedDisk(join(folder, 'disk'), 40 * MiB, ['label: dos', '', 'start=2048,size=2048']);
  writeInto(path, 20 * MiB, Buffer.from('in the middle of a large gap, where nobody looks'));
  assert.deepEqual(findStrayData(path, await readLayout(path, 512)), []);
  writeInto(path, 40 * MiB - 512, Buffer.from('PRIVHEAD'));
  assert.deepEqual(findStrayData(path, await readLayout(path, 512)), [
    `what lies in no partition is not carried, though something is there: bytes ${2 * MiB}–${40 * MiB - 1}`,
  ]);
  const board = await makePartitionedDisk(join(folder, 'board'), 40 * MiB, ['label: dos', '', 'start=40960,size=2048']);
  writeInto(board, 18 * MiB, Buffer.from('a boot loader of a small board, beyond the boot area'));
  assert.match(findStrayData(board, await readLayout(board, 512)).join(), /: bytes 16777728–20971519$/);
});
