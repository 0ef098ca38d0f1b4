import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeSwapHeader, readSwapHeader, writeSwapHeader } from '#agent/disk/swap.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { diskOf } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const uuid = '0b9d2d4e-6d8c-4a53-8f1c-2f6a4b1f0c11';
const MiB = 1024 * 1024;

test('a swap header made again is byte for byte what mkswap writes, and blkid and swaplabel agree', async (t) => {
  const folder = tempFolder(t);
  for (const label of ['pages', 'fifteen-letters', undefined]) {
    const theirs = join(folder, 'theirs.img');
    const ours = join(folder, 'ours.img');
    for (const path of [theirs, ours]) makeEmptyFile(path, 5 * MiB);
    await run(['mkswap', '--uuid', uuid, '--pagesize', '4096', ...(label ? ['--label', label] : []), theirs]);
    const swap = { uuid, pageBytes: 4096, ...(label ? { label } : {}) };
    const place = { extents: new Float64Array(0), indices: new Uint32Array(0), firstOrdinal: 0 };
    const head = { kind: 'disk' as const, startBytes: 0, sizeBytes: 5 * MiB, map: 'none', swap };
    await writeSwapHeader(diskOf(ours), { ...head, ...place });
    assert.ok(readFileSync(ours).equals(readFileSync(theirs)));
    assert.deepEqual(readSwapHeader(readFileSync(theirs).subarray(0, 65536)), { area: swap, isHibernated: false });
    assert.match((await run(['swaplabel', ours])).stdout, new RegExp(uuid));
    assert.match((await run(['blkid', '-p', ours])).stdout, /TYPE="swap"/);
  }
});

test('an area with pages of 64 KiB keeps its page size', () => {
  const header = makeSwapHeader({ pageBytes: 65536, uuid }, 10 * 65536);
  assert.equal(header.length, 65536);
  assert.equal(header.readUInt32LE(1028), 9);
  assert.deepEqual(readSwapHeader(header)?.area, { pageBytes: 65536, uuid });
});

test('what has no mark of swap is no swap area', () => {
  assert.equal(readSwapHeader(Buffer.alloc(65536)), undefined);
  assert.equal(readSwapHeader(Buffer.alloc(100)), undefined);
});
