import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { allocateAligned, DirectFile } from '#agent/disk/direct-file.ts';
import { KnownError } from '#protocol/errors.ts';
import { tempFolder } from '#test/temp-folder.ts';

const SIZE = 3 * 1024 * 1024 + 100;

function makeDisk(t: TestContext): { path: string; content: Buffer } {
  const folder = tempFolder(t);
  const path = join(folder, 'disk.img');
  const content = randomBytes(SIZE);
  writeFileSync(path, content);
  return { path, content };
}

test('aligned and unaligned writes of aligned and plain memory all land where they should', (t) => {
  const { path, content } = makeDisk(t);
  const file = DirectFile.open(path, 'write');
  const shared = allocateAligned(64 * 1024);
  randomBytes(shared.length).copy(shared);
  const plain = randomBytes(2 * 1024 * 1024);
  const writes: [Buffer, number, number][] = [
    [shared, 4096, 64 * 1024],
    [shared, 512 * 300, 512],
    [shared, 777, 1000],
    [plain, 1024 * 1024, plain.length],
    [plain, SIZE - 60, 60],
  ];
  for (const [buffer, offset, length] of writes) {
    file.writeAt(buffer, offset, length);
    buffer.copy(content, offset, 0, length);
  }
  file.sync();
  file.close();
  assert.ok(readFileSync(path).equals(content));
});

test('reads give the same bytes whatever the alignment, up to the last byte of the disk', (t) => {
  const { path, content } = makeDisk(t);
  const file = DirectFile.open(path, 'read');
  const shared = allocateAligned(2 * 1024 * 1024);
  for (const [offset, length] of [
    [0, 4096],
    [512, 1024 * 1024],
    [513, 1024 * 1024 + 3],
    [SIZE - 100, 100],
    [SIZE - 1, 1],
  ] as const) {
    for (const buffer of [shared, Buffer.alloc(length)]) {
      file.readAt(buffer, offset, length);
      assert.ok(buffer.subarray(0, length).equals(content.subarray(offset, offset + length)), `${length} at ${offset}`);
    }
  }
  file.close();
});

test('reading past the end of the disk says which disk and which byte', (t) => {
  const { path } = makeDisk(t);
  const file = DirectFile.open(path, 'read');
  t.after(() => file.close());
  assert.throws(
    () => file.readAt(Buffer.alloc(200), SIZE - 100, 200),
    (error) => error instanceof KnownError && error.code === 'DISK_READ_FAILED' && error.message.includes(path),
  );
});

test('writing to a disk that is not there is a known error and makes no file', () => {
  assert.throws(
    () => DirectFile.open('/nonexistent/fc-disk', 'write'),
    (error) => error instanceof KnownError && error.code === 'DISK_WRITE_FAILED' && error.message.includes('ENOENT'),
  );
});
