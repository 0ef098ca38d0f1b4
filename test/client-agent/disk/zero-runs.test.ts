import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeZero, zeroRunsOf } from '#agent/disk/zero-runs.ts';
import { chunkIndicesOf } from '#protocol/chunk.ts';
import type { Manifest, Volume } from '#protocol/manifest.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { diskOf } from '../test-disk.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const CHUNK = 64 * KiB;
const head = { chunkBytes: CHUNK } as Manifest['head'];

function volumeOf(map: string, startBytes: number, sizeBytes: number, extents: readonly number[]): Volume {
  const used = Float64Array.from(extents);
  const base = { kind: 'partition', startBytes, sizeBytes, map, firstOrdinal: 0 } as const;
  return { ...base, extents: used, indices: chunkIndicesOf(used, CHUNK) };
}

test('what no chunk of a raw volume carries was zeros', () => {
  const volume = volumeOf('raw', 1000 * KiB, 10 * CHUNK + 512, [CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK]);
  const at = (chunk: number) => 1000 * KiB + chunk * CHUNK;
  assert.deepEqual(zeroRunsOf({ head, volumes: [volume] }), [
    { startBytes: at(0), endBytes: at(1) },
    { startBytes: at(2), endBytes: at(3) },
    { startBytes: at(5), endBytes: at(10) + 512 },
  ]);
});

test('of a filesystem with a map nothing is known about free blocks', () => {
  const volumes = [volumeOf('partclone.extfs', 0, 10 * MiB, [0, CHUNK]), volumeOf('none', 10 * MiB, MiB, [])];
  assert.deepEqual(zeroRunsOf({ head, volumes }), []);
});

test('of an empty volume only the ends matter, where signatures lie', () => {
  assert.deepEqual(zeroRunsOf({ head, volumes: [volumeOf('raw', MiB, 50 * MiB, [])] }), [
    { startBytes: MiB, endBytes: 2 * MiB },
    { startBytes: 50 * MiB, endBytes: 51 * MiB },
  ]);
  assert.deepEqual(zeroRunsOf({ head, volumes: [volumeOf('raw', MiB, MiB, [])] }), [
    { startBytes: MiB, endBytes: 2 * MiB },
  ]);
});

test('an empty piece of a container, and an empty boot area, become zeros from end to end', () => {
  const empty = volumeOf('raw', MiB, 50 * MiB, []);
  const within = { kind: 'lvm', name: 'lab/root', offsetBytes: 8 * MiB } as const;
  for (const volume of [
    { ...empty, within },
    { ...empty, kind: 'boot' as const },
  ]) {
    assert.deepEqual(zeroRunsOf({ head, volumes: [volume] }), [{ startBytes: MiB, endBytes: 51 * MiB }]);
  }
});

test('only what is not zeros is written, the table goes before, and done again it writes nothing', async (t) => {
  const path = join(tempFolder(t), 'disk.img');
  const bytes = Buffer.alloc(16 * MiB);
  bytes.fill(0x5a, 0, 5 * MiB);
  writeFileSync(path, bytes);
  const runs = [
    { startBytes: 0, endBytes: MiB },
    { startBytes: 4 * MiB + 512, endBytes: 16 * MiB },
  ];
  const seen: number[] = [];
  let clearings = 0;
  const signal = new AbortController().signal;
  const beforeFirstWrite = async () => {
    clearings++;
    assert.equal(readFileSync(path)[0], 0x5a);
  };
  const again = () => makeZero(diskOf(path), runs, { signal, beforeFirstWrite, onDone: (done) => seen.push(done) });
  assert.equal(await again(), 5 * MiB);
  assert.equal(clearings, 1);
  assert.equal(seen.at(-1), 13 * MiB - 512);
  bytes.fill(0, 0, MiB).fill(0, 4 * MiB + 512);
  assert.ok(readFileSync(path).equals(bytes));
  assert.equal(await again(), 0);
  assert.equal(clearings, 1);
});
