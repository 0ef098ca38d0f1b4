import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { KnownError } from '#protocol/errors.ts';
import { writeStoredHeader } from '#protocol/stored-chunk.ts';
import { freeBytesOf } from '#server/images/store-space.ts';
import {
  addImage,
  idsOf,
  lackingPlaces,
  makeChunk,
  makeChunks,
  manifestOf,
  openTestStore,
  readStored,
  storeChunk,
  streamOf,
  type TestChunk,
} from './test-store.ts';

test('an intake counts what it has itself; others do not see it before it is finished', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(10);
  const one = await store.beginIntake();
  const two = await store.beginIntake();
  await one.write(streamOf(chunks.slice(0, 4)));
  assert.deepEqual(lackingPlaces(one.lacking(idsOf(chunks)), idsOf(chunks)), [4, 5, 6, 7, 8, 9]);
  assert.equal(lackingPlaces(two.lacking(idsOf(chunks)), idsOf(chunks)).length, 10);
  assert.equal(lackingPlaces(store.lacking(idsOf(chunks)), idsOf(chunks)).length, 10);
  await one.finish();
  assert.deepEqual(lackingPlaces(two.lacking(idsOf(chunks)), idsOf(chunks)), [4, 5, 6, 7, 8, 9]);
});

test('a chunk is stored once, however often it comes', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(6);
  const one = await store.beginIntake();
  assert.deepEqual(await one.write(streamOf([...chunks, ...chunks])), { stored: 6, duplicates: 6 });
  assert.deepEqual(await one.write(streamOf(chunks)), { stored: 0, duplicates: 6 });
  await one.finish();
  const two = await store.beginIntake();
  assert.deepEqual(await two.write(streamOf(chunks)), { stored: 0, duplicates: 6 });
  assert.deepEqual(await two.finish(), { addedBytes: 0 });
  assert.equal(store.table.packs().length, 1);
});

test('streams that run at once on one intake lose and double nothing', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(60);
  const intake = await store.beginIntake();
  const answers = await Promise.all(
    [0, 15, 30].map((first) => intake.write(streamOf(chunks.slice(first, first + 30)))),
  );
  assert.equal(
    answers.reduce((sum, answer) => sum + answer.stored, 0),
    60,
  );
  assert.equal(
    answers.reduce((sum, answer) => sum + answer.duplicates, 0),
    30,
  );
  await intake.finish();
  for (const chunk of chunks) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
});

test('abort frees the space, and finished intakes of others stay', async (t) => {
  const { store, dir } = await openTestStore(t);
  const [kept, dropped] = [makeChunks(5, 1), makeChunks(5, 100)];
  const one = await store.beginIntake();
  const two = await store.beginIntake();
  await one.write(streamOf(kept));
  await two.write(streamOf(dropped));
  await one.finish();
  await two.abort();
  await two.abort();
  assert.equal(store.table.packs().length, 1);
  assert.equal((await packFiles(dir)).length, 1);
  for (const chunk of kept) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
  await assert.rejects(two.write(streamOf(dropped)), /given up/);
});

test('equal captures at once make equal packs; the abort of one does not take the other its pack', async (t) => {
  const { store, dir } = await openTestStore(t);
  const chunks = makeChunks(8);
  const one = await store.beginIntake();
  const two = await store.beginIntake();
  for (const intake of [one, two]) assert.equal((await intake.write(streamOf(chunks))).stored, 8);
  await one.finish();
  await two.finish();
  await two.abort();
  assert.equal((await packFiles(dir)).length, 1);
  for (const chunk of chunks) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
});

test('an abort in the middle of a running write ends it and leaves nothing', async (t) => {
  const { store, dir } = await openTestStore(t);
  const intake = await store.beginIntake();
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  async function* stream() {
    // More than a batch, so that some of it is being kept already.
    yield* streamOf(makeChunks(80));
    reached.resolve();
    await goOn.promise;
    yield* streamOf(makeChunks(80, 200));
  }
  const writing = intake.write(stream());
  await reached.promise;
  const aborting = intake.abort();
  goOn.resolve();
  await assert.rejects(writing, /given up/);
  await aborting;
  assert.deepEqual(await packFiles(dir), []);
  assert.equal(store.table.chunkCount(), 0);
  assert.throws(() => intake.lacking(Buffer.alloc(32)), /given up/);
});

test('after finish, abort still frees what nobody else can have built upon', async (t) => {
  const { store, dir } = await openTestStore(t);
  const chunks = makeChunks(8);
  const intake = await store.beginIntake();
  await intake.write(streamOf(chunks));
  await intake.finish();
  await intake.abort();
  assert.deepEqual(await packFiles(dir), []);
  assert.equal(lackingPlaces(store.lacking(idsOf(chunks)), idsOf(chunks)).length, 8);
});

test('after finish, abort leaves what another intake may have built upon', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(8);
  const one = await store.beginIntake();
  await one.write(streamOf(chunks));
  await one.finish();
  const two = await store.beginIntake();
  assert.equal((await two.write(streamOf(chunks))).duplicates, 8);
  await one.abort();
  assert.deepEqual(lackingPlaces(store.lacking(idsOf(chunks)), idsOf(chunks)), []);
});

test('after its version was added, abort takes nothing away', async (t) => {
  const opened = await openTestStore(t);
  const chunks = makeChunks(8);
  const intake = await addImage(opened, 'win11', chunks);
  await intake.abort();
  assert.deepEqual(lackingPlaces(opened.store.lacking(idsOf(chunks)), idsOf(chunks)), []);
});

test('an intake goes on after finish', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(8);
  const intake = await store.beginIntake();
  await intake.write(streamOf(chunks.slice(0, 5)));
  const first = await intake.finish();
  await intake.write(streamOf(chunks));
  const second = await intake.finish();
  assert.ok(second.addedBytes > first.addedBytes);
  for (const chunk of chunks) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
});

test('a chunk with wrong content is named and not kept; the ones before it are', async (t) => {
  const { store } = await openTestStore(t);
  const good = makeChunks(3);
  for (const [bad, problem] of badChunks()) {
    const intake = await store.beginIntake();
    await assert.rejects(intake.write(streamOf([...good, bad, makeChunk(50)])), (error) => {
      assert.ok(error instanceof KnownError);
      assert.equal(error.code, 'CHUNK_CORRUPT');
      assert.match(error.message, new RegExp(bad.id.toString('hex')));
      assert.match(error.message, problem);
      return true;
    });
    assert.deepEqual(lackingPlaces(intake.lacking(idsOf([...good, bad])), idsOf([...good, bad])), [3]);
    await intake.finish();
    for (const chunk of good) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
    assert.equal((await store.locate(bad.id)).packIds[0], -1);
  }
});

test('a stream that is no stream of chunks is refused with the place of the damage', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(3);
  const intake = await store.beginIntake();
  const [first, second] = chunks as [TestChunk, TestChunk, TestChunk];
  const offset = first.stored.length + second.stored.length;
  const garbage = { ...second, stored: Buffer.alloc(500, 3) };
  await assert.rejects(intake.write(streamOf([first, second, garbage])), {
    code: 'STREAM_CORRUPT',
    message: new RegExp(`at byte ${offset}: no chunk`),
  });
  const cut = { ...second, stored: second.stored.subarray(0, 200) };
  await assert.rejects(intake.write(streamOf([first, cut])), { code: 'STREAM_CORRUPT', message: /in the middle/ });
  assert.deepEqual(lackingPlaces(intake.lacking(idsOf(chunks)), idsOf(chunks)), [2]);
});

test('chunks of 4 MiB that do not compress pass, in pieces of any size', async (t) => {
  const { store } = await openTestStore(t);
  const { randomFillSync } = await import('node:crypto');
  const chunks = [1, 2, 3].map(() => storeChunk(randomFillSync(Buffer.alloc(4 * 1024 * 1024))));
  const intake = await store.beginIntake();
  assert.equal((await intake.write(streamOf(chunks, 1_234_567))).stored, 3);
  await intake.finish();
  for (const chunk of chunks) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
});

test('a sender that goes away in the middle costs only its last chunk', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(5);
  const intake = await store.beginIntake();
  async function* broken() {
    yield* streamOf(chunks.slice(0, 4));
    throw new Error('socket hang up');
  }
  await assert.rejects(intake.write(broken()), /socket hang up/);
  // What was still on its way through the checker may have been dropped: the agent asks again.
  const places = lackingPlaces(intake.lacking(idsOf(chunks)), idsOf(chunks));
  await intake.write(streamOf(places.map((place) => chunks[place]!)));
  await intake.finish();
  for (const chunk of chunks) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
});

test('a full disk stops the capture with STORE_FULL while the database can still be written, and abort frees the space', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to mount a small filesystem');
  const dir = await mkdtemp(join(tmpdir(), 'fleetcast-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'fc-test-full', dir]);
  // Runs after openTestStore has closed its files.
  const test = await openTestStore(t, dir);
  t.after(async () => {
    execFileSync('umount', ['--lazy', dir]);
    await rm(dir, { recursive: true });
  });
  const chunks = makeChunks(40);
  await addImage(test, 'win11', chunks.slice(0, 5));
  const freeBefore = await freeBytesOf(dir);
  const intake = await test.store.beginIntake();
  await assert.rejects(
    (async () => {
      for (let first = 1000; ; first += 40) await intake.write(streamOf(makeChunks(40, first)));
    })(),
    (error) => {
      assert.ok(error instanceof KnownError);
      assert.equal(error.code, 'STORE_FULL');
      assert.match(error.message, /\d+ bytes free/);
      return true;
    },
  );
  assert.ok((await freeBytesOf(dir)) < 1024 * 1024);
  test.database.exec('CREATE TABLE note (text TEXT) STRICT');
  for (let i = 0; i < 5; i++) test.database.prepare('INSERT INTO note VALUES (?)').run('the capture has failed');
  await intake.abort();
  assert.ok(freeBefore - (await freeBytesOf(dir)) < 256 * 1024);
  assert.deepEqual(
    test.catalog.list().map((image) => image.name),
    ['win11'],
  );
  const after = await addImage(test, 'win12', chunks);
  await after.finish();
  for (const chunk of chunks) assert.deepEqual(await readStored(test.store, chunk.id), chunk.stored);
  await assert.rejects(
    test.catalog.addVersion({
      image: 'gone',
      sourceHost: 'pc-1',
      manifestBytes: manifestOf(makeChunks(2, 1000)),
      warnings: [],
      addedBytes: 0,
    }),
    { code: 'CHUNK_MISSING' },
  );
});

/** Chunks that lie about themselves in every way that a header can pass, and what is said of each. */
function badChunks(): [TestChunk, RegExp][] {
  const plain = Buffer.alloc(65_536, 9);
  const { id } = makeChunk(7);
  const make = (body: Buffer, plainBytes: number, coding = 1): TestChunk => {
    const stored = Buffer.alloc(64 + body.length);
    writeStoredHeader(stored, 0, { coding, id, storedBytes: body.length, plainBytes });
    stored.set(body, 64);
    return { id, plain, stored };
  };
  return [
    [make(zstdCompressSync(plain), plain.length), /hash/],
    [make(zstdCompressSync(plain), plain.length + 1), /holds 65536 bytes instead of 65537/],
    [make(zstdCompressSync(plain), plain.length - 1), /decompressed/],
    [make(zstdCompressSync(Buffer.alloc(3e8)), plain.length), /decompressed/],
    [make(Buffer.from('this is no zstd frame'), plain.length), /decompressed/],
    [make(zstdCompressSync(plain), plain.length, 9), /coding 9/],
  ];
}

async function packFiles(dir: string): Promise<string[]> {
  const files = await readdir(join(dir, 'packs'), { recursive: true });
  return files.filter((file) => file.endsWith('.pack') || file.startsWith('tmp-'));
}
