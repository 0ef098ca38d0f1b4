import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { measureReading, placesToRead } from '#agent/disk/read-speed.ts';
import { tempFolder } from '#test/temp-folder.ts';

const MIB = 1024 * 1024;
const { signal } = new AbortController();

test('a large disk is read in eight runs that are spread over it', () => {
  const places = placesToRead(1024 * MIB, 16 * MIB);
  assert.deepEqual(
    places.map((offset) => offset / MIB),
    Array.from({ length: 8 }, (_, run) => [run * 128, run * 128 + 1]).flat(),
  );
});

test('whatever the size, nothing is read twice, past the end or beyond the limit', () => {
  for (const mib of [0, 1, 3, 7, 8, 9, 100, 257, 1000]) {
    const places = placesToRead(mib * MIB + 4096, 256 * MIB);
    assert.ok(places.length <= 256 && places.length >= Math.min(mib, 256) - 7, String(mib));
    assert.equal(new Set(places).size, places.length, String(mib));
    assert.ok(places.every((offset) => offset + MIB <= mib * MIB + 4096));
  }
});

test('a disk is measured without a change to it, and one that is not there says why', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'disk');
  writeFileSync(path, Buffer.alloc(5 * MIB, 7));
  const { mtimeMs } = statSync(path);
  const limits = { mostBytes: 4 * MIB, mostMs: 60_000, signal };
  const speed = await measureReading({ path, sizeBytes: 5 * MIB }, limits);
  assert.equal(speed.readBytes, 4 * MIB);
  assert.equal(speed.problem, undefined);
  assert.equal(statSync(path).mtimeMs, mtimeMs);
  const missing = await measureReading({ path: `${path}-2`, sizeBytes: 5 * MIB }, limits);
  assert.deepEqual(missing, { readBytes: 0, readMs: 0, problem: 'ENOENT' });
});
