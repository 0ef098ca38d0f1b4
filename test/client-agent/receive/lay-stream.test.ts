import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { sourceOf } from '#agent/receive/byte-source.ts';
import { DiskWorkers } from '#agent/receive/disk-workers.ts';
import { FrameReader } from '#agent/receive/frame-reader.ts';
import { layStream } from '#agent/receive/lay-stream.ts';
import { KnownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import { placeOf } from '#protocol/manifest.ts';
import { CAST_ID, makeSampleImage, NONCE, type SampleImage, SESSION_ID, sampleFrames } from './sample-image.ts';

const image = makeSampleImage();
const { manifest, manifestBytes } = image;

async function setUp(t: TestContext, o: { diskBytes?: number; count?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'fc-lay-'));
  const diskPath = join(folder, 'disk.img');
  writeFileSync(diskPath, '');
  truncateSync(diskPath, o.diskBytes ?? image.disk.length);
  const workers = await DiskWorkers.start({ diskPath, manifest, manifestBytes, count: o.count ?? 1 });
  t.after(async () => {
    await workers.stop();
    rmSync(folder, { recursive: true });
  });
  const reader = new FrameReader({
    sessionId: SESSION_ID,
    castId: CAST_ID,
    manifestId: manifest.id,
    nonce: NONCE,
    chunkCount: manifest.chunkCount,
    maxPayloadBytes: workers.maxPayloadBytes,
  });
  const abort = new AbortController();
  const calls = { beforeFirstWrite: 0 };
  const lay = (bytes: readonly Buffer[], holes: HoleSet) =>
    layStream({
      source: sourceOf(Readable.from(bytes, { objectMode: false })),
      reader,
      workers,
      holes,
      signal: abort.signal,
      beforeFirstWrite: async () => {
        calls.beforeFirstWrite++;
      },
      onLaid: () => undefined,
    });
  return { diskPath, workers, reader, lay, calls };
}

function assertLaid(diskPath: string, of: SampleImage = image): void {
  assert.ok(readFileSync(diskPath).equals(of.disk));
}

for (const count of [1, 2]) {
  test(`a whole cast lays the whole image with ${count} worker(s), and reads back right`, async (t) => {
    const { diskPath, workers, lay, calls } = await setUp(t, { count });
    const holes = HoleSet.all(manifest.chunkCount);
    const laid = await lay(sampleFrames(image), holes);
    assert.equal(holes.count, 0);
    assert.equal(laid.chunks, manifest.chunkCount);
    assert.equal(laid.badChunks, 0);
    assert.equal(calls.beforeFirstWrite, 1);
    await workers.sync();
    assertLaid(diskPath);
    assert.deepEqual(await workers.verify(0, manifest.chunkCount), []);
  });
}

test('only holes are written: chunks that are there already are left alone', async (t) => {
  const { diskPath, lay } = await setUp(t);
  const holes = HoleSet.none(manifest.chunkCount);
  holes.add(3);
  await lay(sampleFrames(image), holes);
  const disk = readFileSync(diskPath);
  const { diskOffset, plainBytes } = placeOf(manifest, 3);
  assert.ok(
    disk.subarray(diskOffset, diskOffset + plainBytes).equals(image.disk.subarray(diskOffset, diskOffset + plainBytes)),
  );
  disk.fill(0, diskOffset, diskOffset + plainBytes);
  assert.ok(disk.every((byte) => byte === 0));
});

test('a chunk whose bytes are not what its id says stays a hole and is counted', async (t) => {
  const { lay } = await setUp(t);
  const holes = HoleSet.all(manifest.chunkCount);
  const frames = sampleFrames(image);
  frames[2]![200]! ^= 1;
  const swapped = sampleFrames(image, { ordinals: [6] })[1]!;
  // A sound frame that carries another chunk's bytes.
  frames[5] = Buffer.concat([sampleFrames(image, { ordinals: [4] })[1]!.subarray(0, 64), swapped.subarray(64)]);
  const laid = await lay(frames, holes);
  assert.ok(holes.has(1));
  assert.ok(laid.badChunks >= 1);
  assert.equal(holes.count + laid.chunks, manifest.chunkCount);
});

test('a stream of another cast writes no byte', async (t) => {
  const { diskPath, lay, calls } = await setUp(t);
  const holes = HoleSet.all(manifest.chunkCount);
  for (const other of [{ nonce: Buffer.alloc(8, 9) }, { castId: '5-2' }]) await lay(sampleFrames(image, other), holes);
  assert.equal(holes.count, manifest.chunkCount);
  assert.equal(calls.beforeFirstWrite, 0);
  assert.ok(readFileSync(diskPath).every((byte) => byte === 0));
});

test('a byte that rots on the disk is found by reading back, one in an unused block is not looked at', async (t) => {
  const { diskPath, workers, lay } = await setUp(t);
  await lay(sampleFrames(image), HoleSet.all(manifest.chunkCount));
  await workers.sync();
  const disk = readFileSync(diskPath);
  const { diskOffset } = placeOf(manifest, 2);
  disk[diskOffset + 77]! ^= 1;
  // The second volume begins with 4096 unused bytes.
  disk[4096 * 512 + 10]! ^= 1;
  writeFileSync(diskPath, disk);
  assert.deepEqual(await workers.verify(0, manifest.chunkCount), [2]);
});

test('a disk that ends too early fails the stream, naming the byte', async (t) => {
  const { diskPath, workers } = await setUp(t);
  truncateSync(diskPath, 1024 * 1024);
  await assert.rejects(
    workers.verify(0, 1),
    (error) => error instanceof KnownError && error.code === 'DISK_READ_FAILED' && error.message.includes('1048576'),
  );
});

test('a disk that cannot be opened is a known error', async () => {
  await assert.rejects(
    DiskWorkers.start({ diskPath: '/nonexistent/fc-disk', manifest, manifestBytes, count: 2 }),
    (error) => error instanceof KnownError && error.code === 'DISK_WRITE_FAILED',
  );
});

test('a write that the disk refuses fails the stream with its offset', async (t) => {
  const workers = await DiskWorkers.start({ diskPath: '/dev/full', manifest, manifestBytes, count: 1 });
  t.after(() => workers.stop());
  const reader = new FrameReader({
    sessionId: SESSION_ID,
    manifestId: manifest.id,
    nonce: NONCE,
    chunkCount: manifest.chunkCount,
    maxPayloadBytes: workers.maxPayloadBytes,
  });
  const holes = HoleSet.all(manifest.chunkCount);
  await assert.rejects(
    layStream({
      source: sourceOf(Readable.from(sampleFrames(image), { objectMode: false })),
      reader,
      workers,
      holes,
      signal: new AbortController().signal,
      beforeFirstWrite: async () => undefined,
      onLaid: () => undefined,
    }),
    (error) => error instanceof KnownError && error.code === 'DISK_WRITE_FAILED' && /ENOSPC/.test(error.message),
  );
  assert.equal(holes.count, manifest.chunkCount);
});
