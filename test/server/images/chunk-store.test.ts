import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import { ChunkStore } from '#server/images/chunk-store.ts';
import { encodePackHeader } from '#server/images/pack.ts';
import { silentLogger } from '#system/log.ts';
import { addImage, idsOf, lackingPlaces, makeChunks, openTestStore, readStored, streamOf } from './test-store.ts';

test('what an intake brings can be located and read back byte for byte', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(40);
  const intake = await store.beginIntake();
  assert.deepEqual(await intake.write(streamOf(chunks)), { stored: 40, duplicates: 0 });
  const { addedBytes } = await intake.finish();
  const stored = chunks.reduce((sum, chunk) => sum + chunk.stored.length, 0);
  assert.equal(addedBytes, 16 + stored + 40 * 48 + 64);
  for (const chunk of chunks) assert.deepEqual(await readStored(store, chunk.id), chunk.stored);
});

test('chunks lie in the pack in the order in which they came', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(30);
  const intake = await store.beginIntake();
  await intake.write(streamOf(chunks.slice(0, 11)));
  await intake.write(streamOf(chunks.slice(11)));
  await intake.finish();
  const { packIds, offsets, storedBytes, plainBytes } = await store.locate(idsOf(chunks));
  let end = 16;
  for (const [i, chunk] of chunks.entries()) {
    assert.equal(packIds[i], packIds[0]);
    assert.equal(offsets[i], end);
    assert.equal(storedBytes[i], chunk.stored.length - STORED_HEADER_BYTES);
    assert.equal(plainBytes[i], chunk.plain.length);
    end += chunk.stored.length;
  }
});

test('locate and lacking tell what is not there', async (t) => {
  const { store } = await openTestStore(t);
  const chunks = makeChunks(20);
  const intake = await store.beginIntake();
  await intake.write(streamOf(chunks.slice(0, 10)));
  await intake.finish();
  const { packIds } = await store.locate(idsOf(chunks));
  assert.deepEqual(
    [...packIds].map((packId) => packId === -1),
    chunks.map((_, i) => i >= 10),
  );
  const lacking = store.lacking(idsOf(chunks));
  assert.equal(lacking.length, 3);
  assert.deepEqual(lackingPlaces(lacking, idsOf(chunks)), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
});

test('a second open of the same store is refused and names the process', async (t) => {
  const { store, dir, database } = await openTestStore(t);
  await assert.rejects(ChunkStore.open({ dir, database, log: silentLogger }), {
    code: 'STORE_LOCKED',
    message: new RegExp(`process ${process.pid}$`),
  });
  await store.close();
  const again = await ChunkStore.open({ dir, database, log: silentLogger });
  await again.close();
});

test('the lock of a process that was killed does not count', async (t) => {
  const { store, dir, database } = await openTestStore(t);
  await store.close();
  const child = spawn('sleep', ['60']);
  const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  await writeFile(join(dir, 'lock'), `${child.pid} ${startTime}\n`);
  await assert.rejects(ChunkStore.open({ dir, database, log: silentLogger }), { code: 'STORE_LOCKED' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await ChunkStore.open({ dir, database, log: silentLogger })).close();
  assert.deepEqual(
    (await readdir(dir)).filter((name) => name.startsWith('lock')),
    [],
  );
});

test('without its database the store is the same as before', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(50);
  await addImage(first, 'win11', chunks.slice(0, 30));
  await addImage(first, 'win11', chunks);
  const images = first.catalog.list();
  const again = await first.reopen('forget');
  assert.deepEqual(again.catalog.list(), images);
  for (const chunk of chunks) assert.deepEqual(await readStored(again.store, chunk.id), chunk.stored);
});

test('packs that were finished before a kill are found again; half-written ones are removed', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(10);
  await addImage(first, 'win11', chunks);
  await writeFile(join(first.dir, 'packs', 'tmp-0123456789abcdef'), 'half a pack');
  first.database.exec('DELETE FROM chunk; DELETE FROM pack');
  const again = await first.reopen();
  assert.deepEqual(lackingPlaces(again.store.lacking(idsOf(chunks)), idsOf(chunks)), []);
  assert.equal((await readdir(join(again.dir, 'packs'))).length, 1);
});

test('a pack whose index is damaged gives all its chunks back', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(25);
  await addImage(first, 'win11', chunks);
  const [pack] = first.store.table.packs();
  await truncate(first.store.files.pathOf(pack!.name), pack!.bytes - 100);
  for (const forget of [undefined, 'forget'] as const) {
    const again = await first.reopen(forget);
    for (const chunk of chunks) assert.deepEqual(await readStored(again.store, chunk.id), chunk.stored);
  }
});

test('of a truncated pack the chunks before the cut are kept, the others are lacking', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(25);
  await addImage(first, 'win11', chunks);
  const { offsets } = await first.store.locate(idsOf(chunks));
  const [pack] = first.store.table.packs();
  await truncate(first.store.files.pathOf(pack!.name), offsets[10]! + 500);
  const again = await first.reopen();
  const places = lackingPlaces(again.store.lacking(idsOf(chunks)), idsOf(chunks));
  assert.deepEqual(places, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
});

test('a scan of a pack goes on behind damage, also where it crosses a read', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(120);
  await addImage(first, 'win11', chunks);
  const [pack] = first.store.table.packs();
  const path = first.store.files.pathOf(pack!.name);
  const { offsets } = await first.store.locate(idsOf(chunks));
  const bytes = await readFile(path);
  for (const ordinal of [0, 41, 42, 119]) bytes[offsets[ordinal]! + 9]! ^= 1;
  await writeFile(path, bytes.subarray(0, bytes.length - 1));
  const again = await first.reopen();
  assert.deepEqual(lackingPlaces(again.store.lacking(idsOf(chunks)), idsOf(chunks)), [0, 41, 42, 119]);
});

test('a missing pack is named when it is read, and at the next open its chunks are lacking', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(5);
  await addImage(first, 'win11', chunks);
  const { packIds, offsets } = await first.store.locate(idsOf(chunks));
  const [pack] = first.store.table.packs();
  await rm(first.store.files.pathOf(pack!.name));
  await assert.rejects(first.store.readAt(packIds[0]!, Buffer.alloc(64), offsets[0]!, 64), {
    code: 'PACK_CORRUPT',
    message: new RegExp(pack!.name),
  });
  const again = await first.reopen();
  assert.equal((await again.store.locate(idsOf(chunks))).packIds[0], -1);
  await assert.rejects(again.store.readAt(packIds[0]!, Buffer.alloc(64), 0, 64), { code: 'PACK_CORRUPT' });
});

test('a read past the end of a pack is an error, not a short buffer', async (t) => {
  const first = await openTestStore(t);
  await addImage(first, 'win11', makeChunks(2));
  const [pack] = first.store.table.packs();
  await assert.rejects(first.store.readAt(pack!.packId, Buffer.alloc(200), pack!.bytes - 100, 200), {
    code: 'PACK_CORRUPT',
  });
});

test('garbage and packs of a newer format are left alone and do not stop the others', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(3);
  await addImage(first, 'win11', chunks);
  const newer = encodePackHeader();
  newer.writeUInt16LE(2, 4);
  newer.writeUInt32LE(crc32(newer.subarray(0, 12)), 12);
  const contents = { ['00'.repeat(32)]: Buffer.alloc(5000, 7), ['11'.repeat(32)]: newer };
  for (const [name, content] of Object.entries(contents)) {
    await mkdir(dirname(first.store.files.pathOf(name)));
    await writeFile(first.store.files.pathOf(name), content);
  }
  const again = await first.reopen('forget');
  assert.deepEqual(lackingPlaces(again.store.lacking(idsOf(chunks)), idsOf(chunks)), []);
  for (const [name, content] of Object.entries(contents)) {
    assert.deepEqual(await readFile(again.store.files.pathOf(name)), content);
  }
});

test('more packs than descriptors are kept can be read at once', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(80);
  for (const chunk of chunks) {
    const intake = await first.store.beginIntake();
    await intake.write(streamOf([chunk]));
    await intake.finish();
  }
  assert.equal(first.store.table.packs().length, 80);
  const before = (await readdir('/proc/self/fd')).length;
  for (let round = 0; round < 2; round++) {
    const read = await Promise.all(chunks.map((chunk) => readStored(first.store, chunk.id)));
    assert.deepEqual(
      read,
      chunks.map((chunk) => chunk.stored),
    );
  }
  assert.ok((await readdir('/proc/self/fd')).length - before <= 33);
});

test('240,000 chunks are located without holding the event loop', async (t) => {
  const { store } = await openTestStore(t);
  const count = 240_000;
  const ids = Buffer.alloc(count * 32);
  for (let i = 0; i < count; i++) {
    ids.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i * 32);
    ids.writeUInt32LE(i, i * 32 + 4);
  }
  for (let first = 0; first < count; first += 12_000) {
    const chunks = Array.from({ length: 12_000 }, (_, i) => ({
      id: ids.subarray((first + i) * 32, (first + i + 1) * 32),
      offset: 16 + i * 100,
      storedBytes: 36,
      plainBytes: 65_536,
    }));
    store.table.addPack(`pack ${first}`, 1_200_016, chunks);
  }
  let turns = 0;
  const ticking = setInterval(() => turns++, 1);
  const { packIds, offsets } = await store.locate(ids);
  clearInterval(ticking);
  assert.equal(packIds.indexOf(-1), -1);
  assert.equal(offsets[12_001], 116);
  assert.ok(turns >= 20, `the event loop turned only ${turns} times`);
});
