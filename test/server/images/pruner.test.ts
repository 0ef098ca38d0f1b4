import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decideFate, prune } from '#server/images/pruner.ts';
import { verifyChunks } from '#server/images/verifier.ts';
import { addImage, makeChunks, openTestStore, readStored, streamOf, type TestStore } from './test-store.ts';

async function storedFiles(dir: string): Promise<{ count: number; bytes: number }> {
  const files = (await readdir(join(dir, 'packs'), { recursive: true })).filter((file) => file.endsWith('.pack'));
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(dir, 'packs', file))).size));
  return { count: files.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

async function badCount(opened: TestStore): Promise<number | undefined> {
  return (await Array.fromAsync(verifyChunks(opened))).at(-1)?.badCount;
}

test('a pack without live chunks goes, one that is less than half live is written anew', () => {
  const chunk = { id: Buffer.alloc(32), offset: 16, storedBytes: 1000, plainBytes: 65_536 };
  assert.equal(decideFate(10_000, []), 'remove');
  assert.equal(decideFate(10_000, [chunk]), 'rewrite');
  assert.equal(decideFate(10_000, [chunk, chunk, chunk, chunk, chunk]), 'keep');
});

test('after an image was removed, a prune frees what only it needed, and the others stay whole', async (t) => {
  const opened = await openTestStore(t);
  const [shared, only, other] = [makeChunks(10, 1), makeChunks(30, 100), makeChunks(12, 200)];
  await addImage(opened, 'win11', [...shared, ...only]);
  await addImage(opened, 'debian', [...shared, ...other]);
  await addImage(opened, 'gone', makeChunks(7, 300));
  await opened.catalog.remove('win11');
  await opened.catalog.remove('gone');

  const before = await storedFiles(opened.dir);
  const plan = await prune({ ...opened, dryRun: true });
  assert.deepEqual(await storedFiles(opened.dir), before);
  const answer = await prune({ ...opened, dryRun: false });
  assert.deepEqual(answer, { ...plan, dryRun: false });
  assert.equal(answer.removedChunks, 37);
  assert.equal(answer.removedPacks, 1);
  assert.equal(answer.rewrittenPacks, 1);
  const after = await storedFiles(opened.dir);
  assert.equal(before.bytes - after.bytes, answer.freedBytes);
  assert.equal((await readdir(join(opened.dir, 'manifests'))).length, 1);

  for (const again of [opened, await opened.reopen(), await opened.reopen('forget')].slice(-1)) {
    for (const chunk of [...shared, ...other]) assert.deepEqual(await readStored(again.store, chunk.id), chunk.stored);
    assert.equal(await badCount(again), 0);
    const second = await prune({ ...again, dryRun: false });
    assert.deepEqual(second, { dryRun: false, removedChunks: 0, removedPacks: 0, rewrittenPacks: 0, freedBytes: 0 });
  }
});

test('a prune that was killed before the old pack was removed is mended by the next one', async (t) => {
  const opened = await openTestStore(t);
  const [kept, dead] = [makeChunks(10, 1), makeChunks(30, 100)];
  await addImage(opened, 'both', [...kept, ...dead]);
  const [old] = opened.store.table.packs();
  const oldBytes = await readFile(opened.store.files.pathOf(old!.name));
  await addImage(opened, 'kept', kept);
  await opened.catalog.remove('both');
  await prune({ ...opened, dryRun: false });
  const whole = await storedFiles(opened.dir);
  await writeFile(opened.store.files.pathOf(old!.name), oldBytes);
  const again = await opened.reopen();
  for (const chunk of kept) assert.deepEqual(await readStored(again.store, chunk.id), chunk.stored);
  await prune({ ...again, dryRun: false });
  for (const chunk of kept) assert.deepEqual(await readStored(again.store, chunk.id), chunk.stored);
  assert.deepEqual(await storedFiles(again.dir), whole);
});

test('a prune that was killed before the index knew the new pack is mended by the next one', async (t) => {
  const opened = await openTestStore(t);
  const [kept, dead] = [makeChunks(10, 1), makeChunks(30, 100)];
  await addImage(opened, 'both', [...kept, ...dead]);
  await addImage(opened, 'kept', kept);
  await opened.catalog.remove('both');
  const [old] = opened.store.table.packs();
  const oldBytes = await readFile(opened.store.files.pathOf(old!.name));
  await prune({ ...opened, dryRun: false });
  const [fresh] = opened.store.table.packs();
  // As it was: the old pack indexed, the new one on disk only.
  await writeFile(opened.store.files.pathOf(old!.name), oldBytes);
  opened.store.table.removePack(fresh!.packId);
  const entries = kept.concat(dead).map((chunk) => chunk.id);
  let offset = 16;
  opened.store.table.addPack(
    old!.name,
    old!.bytes,
    [...kept, ...dead].map((chunk, i) => {
      const row = { id: entries[i]!, offset, storedBytes: chunk.stored.length - 64, plainBytes: chunk.plain.length };
      offset += chunk.stored.length;
      return row;
    }),
  );
  const again = await opened.reopen();
  await prune({ ...again, dryRun: false });
  await prune({ ...again, dryRun: false });
  assert.deepEqual((await storedFiles(again.dir)).count, 1);
  for (const chunk of kept) assert.deepEqual(await readStored(again.store, chunk.id), chunk.stored);
  assert.equal(await badCount(again), 0);
});

test('a damaged chunk is not carried into a new pack', async (t) => {
  const opened = await openTestStore(t);
  const [kept, dead] = [makeChunks(10, 1), makeChunks(30, 100)];
  await addImage(opened, 'both', [...kept, ...dead]);
  await addImage(opened, 'kept', kept);
  await opened.catalog.remove('both');
  const [pack] = opened.store.table.packs();
  const path = opened.store.files.pathOf(pack!.name);
  const bytes = await readFile(path);
  bytes[16 + kept[0]!.stored.length + 300]! ^= 1;
  await writeFile(path, bytes);
  await prune({ ...opened, dryRun: false });
  const { packIds } = await opened.store.locate(Buffer.concat(kept.map((chunk) => chunk.id)));
  assert.deepEqual(
    [...packIds].map((packId) => packId === -1),
    kept.map((_, i) => i === 1),
  );
});

test('chunks that a capture brought without ever becoming a version are freed', async (t) => {
  const opened = await openTestStore(t);
  const intake = await opened.store.beginIntake();
  await intake.write(streamOf(makeChunks(9)));
  await intake.finish();
  const answer = await prune({ ...opened, dryRun: false });
  assert.deepEqual([answer.removedChunks, answer.removedPacks], [9, 1]);
  assert.equal((await storedFiles(opened.dir)).count, 0);
});

test('nothing is deleted while a manifest or an image file cannot be read', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', makeChunks(9));
  await addImage(opened, 'debian', makeChunks(9, 100));
  const before = await storedFiles(opened.dir);
  await writeFile(join(opened.dir, 'images', 'win11.json'), 'garbage');
  const again = await opened.reopen();
  await prune({ ...again, dryRun: false });
  assert.deepEqual(await storedFiles(opened.dir), before);
  assert.equal((await readdir(join(opened.dir, 'manifests'))).length, 2);

  const { manifestId } = again.catalog.resolve('debian').version;
  await writeFile(join(opened.dir, 'manifests', `${manifestId}.fcm`), 'garbage');
  const third = await again.reopen();
  await assert.rejects(prune({ ...third, dryRun: false }), { code: 'MANIFEST_CORRUPT' });
  assert.deepEqual(await storedFiles(opened.dir), before);
});
