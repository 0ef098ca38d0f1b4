import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { VerifyLine } from '#protocol/admin/image-api.ts';
import { verifyChunks } from '#server/images/verifier.ts';
import { addImage, makeChunks, openTestStore, readStored, type TestChunk, type TestStore } from './test-store.ts';

async function verify(opened: TestStore, ref?: string): Promise<VerifyLine> {
  const lines = await Array.fromAsync(verifyChunks({ ...opened, ...(ref === undefined ? {} : { ref }) }));
  for (const line of lines.slice(0, -1)) assert.equal(line.done, false);
  const last = lines.at(-1)!;
  assert.equal(last.done, true);
  assert.equal(last.checkedChunks, last.totalChunks);
  return last;
}

/** Flips one bit of a stored chunk, `at` bytes behind the beginning of its header. */
async function damage(opened: TestStore, chunk: TestChunk, at: number): Promise<void> {
  const { packIds, offsets } = await opened.store.locate(chunk.id);
  const path = opened.store.files.pathOf(opened.store.table.packName(packIds[0]!)!);
  const bytes = await readFile(path);
  bytes[offsets[0]! + at]! ^= 0x10;
  await writeFile(path, bytes);
}

function nameOf(chunk: TestChunk): string {
  return chunk.id.toString('hex');
}

test('a sound store has no bad chunk', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', makeChunks(70));
  await addImage(opened, 'debian', makeChunks(30, 50));
  const whole = await verify(opened);
  assert.deepEqual([whole.checkedChunks, whole.badCount, whole.bad], [79, 0, []]);
  assert.equal((await verify(opened, 'debian')).totalChunks, 30);
  assert.equal((await verify(opened, 'win11@1')).totalChunks, 70);
});

test('damaged chunks are named, the others are checked all the same', async (t) => {
  const opened = await openTestStore(t);
  const chunks = makeChunks(40);
  await addImage(opened, 'win11', chunks);
  await addImage(opened, 'debian', makeChunks(5, 100));
  await damage(opened, chunks[3]!, 9); // in the header
  await damage(opened, chunks[20]!, 64 + 200); // in the stored bytes
  await damage(opened, chunks[39]!, chunks[39]!.stored.length - 1);
  assert.equal((await verify(opened, 'debian')).badCount, 0);
  const line = await verify(opened, 'win11');
  assert.equal(line.badCount, 3);
  assert.deepEqual(
    line.bad.map((bad) => bad.split(':')[0]),
    [3, 20, 39].map((i) => nameOf(chunks[i]!)),
  );
});

test('after a verify the next capture puts a damaged chunk back, for good', async (t) => {
  const first = await openTestStore(t);
  const chunks = makeChunks(20);
  await addImage(first, 'win11', chunks);
  await damage(first, chunks[7]!, 100);
  assert.equal((await verify(first)).badCount, 1);
  const line = await verify(first, 'win11');
  assert.deepEqual(line.bad, [`${nameOf(chunks[7]!)}: it is not in the store`]);
  await addImage(first, 'win11', chunks);
  assert.equal((await verify(first)).badCount, 0);
  assert.equal(first.catalog.list()[0]?.versions.length, 1);
  const again = await first.reopen('forget');
  assert.deepEqual(await readStored(again.store, chunks[7]!.id), chunks[7]!.stored);
});

test('a damaged chunk that had a pack for itself can be captured again', async (t) => {
  const opened = await openTestStore(t);
  const chunks = makeChunks(1);
  await addImage(opened, 'win11', chunks);
  await damage(opened, chunks[0]!, 100);
  assert.equal((await verify(opened)).badCount, 1);
  await addImage(opened, 'win11', chunks);
  assert.equal((await verify(opened)).badCount, 0);
  assert.deepEqual(await readStored(opened.store, chunks[0]!.id), chunks[0]!.stored);
});

test('of a missing pack every chunk is named', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'debian', makeChunks(10, 100));
  const [lost] = opened.store.table.packs();
  await addImage(opened, 'win11', makeChunks(10));
  await rm(opened.store.files.pathOf(lost!.name));
  const line = await verify(opened);
  assert.equal(line.badCount, 10);
  assert.match(line.bad[0]!, /missing/);
  assert.equal((await verify(opened, 'win11')).badCount, 0);
});

test('a truncated pack costs the chunks behind the cut, no others', async (t) => {
  const opened = await openTestStore(t);
  const chunks = makeChunks(30);
  await addImage(opened, 'win11', chunks);
  const [pack] = opened.store.table.packs();
  const path = opened.store.files.pathOf(pack!.name);
  const { offsets } = await opened.store.locate(chunks[12]!.id);
  await writeFile(path, (await readFile(path)).subarray(0, offsets[0]! + 30));
  const line = await verify(opened);
  assert.deepEqual(
    line.bad.map((bad) => bad.split(':')[0]),
    chunks.slice(12).map(nameOf),
  );
});

test('a damaged manifest is named by a verify of the store', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', makeChunks(5));
  const { manifestId } = opened.catalog.resolve('win11').version;
  await rm(join(opened.dir, 'manifests', `${manifestId}.fcm`));
  const again = await opened.reopen();
  const line = await verify(again);
  assert.equal(line.badCount, 1);
  assert.match(line.bad[0]!, new RegExp(`^manifest ${manifestId}: .*missing`));
});

test('a verify ends at once when it is told to, and knows its images', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', makeChunks(5));
  const aborted = verifyChunks({ ...opened, signal: AbortSignal.abort() });
  await assert.rejects(aborted.next(), { name: 'AbortError' });
  await assert.rejects(verifyChunks({ ...opened, ref: 'win12' }).next(), { code: 'IMAGE_UNKNOWN' });
});
