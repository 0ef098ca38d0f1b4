import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { sourceOf } from '#agent/receive/byte-source.ts';
import { DiskWorkers } from '#agent/receive/disk-workers.ts';
import { FrameReader } from '#agent/receive/frame-reader.ts';
import { findSlow, type LayTarget, layStream } from '#agent/receive/lay-stream.ts';
import { SlabPool } from '#agent/receive/slab-pool.ts';
import { KnownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import { placeOf } from '#protocol/manifest.ts';
import { CAST_ID, makeSampleImage, NONCE, type SampleImage, SESSION_ID, sampleFrames } from './sample-image.ts';

const image = makeSampleImage();
const { manifest, manifestBytes } = image;

async function startWorkers(diskPath: string, count: number, slabCount = 0) {
  const { chunkBytes } = manifest.head;
  const slabs = new SlabPool({ chunkBytes, threads: count, bufferBytes: slabCount * 1024 * 1024 });
  return { slabs, workers: await DiskWorkers.start({ diskPath, manifestBytes, count, slabs }) };
}

function streamOf(bytes: readonly Buffer[]) {
  return { source: sourceOf(Readable.from(bytes, { objectMode: false })), signal: new AbortController().signal };
}

function targetOf(workers: LayTarget['workers'], holes: HoleSet, more: Partial<LayTarget> = {}): LayTarget {
  const onFailed = (error: unknown) => assert.fail(String(error));
  return { workers, holes, beforeFirstWrite: async () => undefined, onLaid: () => undefined, onFailed, ...more };
}

async function setUp(t: TestContext, o: { diskBytes?: number; count?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'fc-lay-'));
  const diskPath = join(folder, 'disk.img');
  writeFileSync(diskPath, '');
  truncateSync(diskPath, o.diskBytes ?? image.disk.length);
  const { workers, slabs } = await startWorkers(diskPath, o.count ?? 1);
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
    maxPayloadBytes: slabs.maxPayloadBytes,
  });
  const calls = { beforeFirstWrite: 0 };
  const lay = async (bytes: readonly Buffer[], holes: HoleSet) => {
    const target = targetOf(workers, holes, { beforeFirstWrite: async () => void calls.beforeFirstWrite++ });
    const [laid] = await layStream({ ...streamOf(bytes), reader, slabs, targets: [target], leavesOutSlow: false });
    return laid!;
  };
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
    DiskWorkers.start({ diskPath: '/nonexistent/fc-disk', manifestBytes, count: 2 }),
    (error) => error instanceof KnownError && error.code === 'DISK_WRITE_FAILED',
  );
});

test('a write that the disk refuses is told with its offset, and ends the stream', async (t) => {
  const { workers, slabs } = await startWorkers('/dev/full', 1);
  t.after(() => workers.stop());
  const reader = new FrameReader({
    sessionId: SESSION_ID,
    manifestId: manifest.id,
    nonce: NONCE,
    chunkCount: manifest.chunkCount,
    maxPayloadBytes: slabs.maxPayloadBytes,
  });
  const holes = HoleSet.all(manifest.chunkCount);
  const failures: unknown[] = [];
  const target = targetOf(workers, holes, { onFailed: (error) => failures.push(error) });
  await layStream({ ...streamOf(sampleFrames(image)), reader, slabs, targets: [target], leavesOutSlow: false });
  const [error] = failures;
  assert.ok(error instanceof KnownError && error.code === 'DISK_WRITE_FAILED' && /ENOSPC/.test(error.message));
  assert.equal(failures.length, 1);
  assert.equal(holes.count, manifest.chunkCount);
});

/** A disk that lays nothing before it is let go. */
function slowWorkers(workers: DiskWorkers) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const lay: DiskWorkers['lay'] = (slab, frames) => promise.then(() => workers.lay(slab, frames));
  return { lay, letGo: resolve };
}

async function setUpDisks(t: TestContext, slabCount?: number) {
  const folder = mkdtempSync(join(tmpdir(), 'fc-lay-'));
  const paths = ['a.img', 'b.img'].map((name) => join(folder, name));
  for (const path of paths) {
    writeFileSync(path, '');
    truncateSync(path, image.disk.length);
  }
  const { slabs, workers } = await startWorkers(paths[0]!, 1, slabCount);
  const other = await DiskWorkers.start({ diskPath: paths[1]!, manifestBytes, count: 1, slabs });
  t.after(async () => {
    await Promise.all([workers.stop(), other.stop()]);
    rmSync(folder, { recursive: true });
  });
  const { chunkCount, id: manifestId } = manifest;
  const { maxPayloadBytes } = slabs;
  const reader = new FrameReader({ sessionId: SESSION_ID, manifestId, nonce: NONCE, chunkCount, maxPayloadBytes });
  return { paths, slabs, workers: [workers, other] as const, reader };
}

test('of one stream each disk takes what it lacks', async (t) => {
  const { paths, slabs, workers, reader } = await setUpDisks(t);
  const [all, some] = [HoleSet.all(manifest.chunkCount), HoleSet.none(manifest.chunkCount)];
  some.add(3);
  const targets = [targetOf(workers[0], all), targetOf(workers[1], some)];
  const laid = await layStream({ ...streamOf(sampleFrames(image)), reader, slabs, targets, leavesOutSlow: true });
  assert.deepEqual(
    laid.map(({ chunks }) => chunks),
    [manifest.chunkCount, 1],
  );
  assert.deepEqual([all.count, some.count], [0, 0]);
  assertLaid(paths[0]!);
  assert.deepEqual(await workers[1].verify(3, 5), [4]);
});

test('a disk that fails ends alone: the others take the whole stream', async (t) => {
  const { paths, slabs, workers, reader } = await setUpDisks(t);
  const broken = await DiskWorkers.start({ diskPath: '/dev/full', manifestBytes, count: 1, slabs });
  t.after(() => broken.stop());
  const failures: unknown[] = [];
  const holes = [0, 1, 2].map(() => HoleSet.all(manifest.chunkCount));
  const targets = [
    targetOf(workers[0], holes[0]!),
    targetOf(broken, holes[1]!, { onFailed: (error) => failures.push(error) }),
    targetOf(workers[1], holes[2]!),
  ];
  await layStream({ ...streamOf(sampleFrames(image)), reader, slabs, targets, leavesOutSlow: true });
  assert.equal(failures.length, 1);
  assert.deepEqual(
    holes.map(({ count }) => count),
    [0, manifest.chunkCount, 0],
  );
  for (const path of paths) assertLaid(path);
});

test('a disk that would hold the others up is left out of what comes meanwhile, and keeps it as holes', async (t) => {
  const { paths, slabs, workers, reader } = await setUpDisks(t, 8);
  const slow = slowWorkers(workers[1]);
  const [quick, left] = [HoleSet.all(manifest.chunkCount), HoleSet.all(manifest.chunkCount)];
  const targets = [
    targetOf(workers[0], quick, { onLaid: () => (quick.count === 0 ? slow.letGo() : undefined) }),
    targetOf(slow, left),
  ];
  // About a slab for each frame, and no more than the quick disk has dealt with: all slabs together hold only a part.
  const stream = Readable.from(
    (async function* () {
      for (const [i, frame] of sampleFrames(image).entries()) {
        yield frame;
        yield Buffer.alloc(slabs.bufferBytes / slabs.count);
        while (quick.count > manifest.chunkCount - (i - 2)) await new Promise((resolve) => setImmediate(resolve));
      }
    })(),
    { objectMode: false },
  );
  const { signal } = new AbortController();
  await layStream({ source: sourceOf(stream), signal, reader, slabs, targets, leavesOutSlow: true });
  assert.equal(quick.count, 0);
  assertLaid(paths[0]!);
  assert.ok(left.count > 0 && left.count < manifest.chunkCount, `${left.count} holes`);
});

test('only where others are quick is a disk slow', () => {
  assert.deepEqual(findSlow([8, 4, 0], 16), [0]);
  assert.deepEqual(findSlow([8, 5], 16), [], 'the other is hardly quicker');
  assert.deepEqual(findSlow([7, 0], 16), []);
  assert.deepEqual(findSlow([16], 16), [], 'alone it holds nobody up');
  assert.deepEqual(findSlow([], 16), []);
});
