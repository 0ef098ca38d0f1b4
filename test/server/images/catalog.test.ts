import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { MANIFEST_VERSION } from '#protocol/manifest.ts';
import { addImage, makeChunks, manifestOf, openTestStore, TEST_TIME_MS, type TestStore } from './test-store.ts';

const chunks = makeChunks(12);

function newVersion(image: string, manifestBytes: Buffer) {
  return { image, sourceHost: 'pc-1', manifestBytes, warnings: [], addedBytes: 0 };
}

test('the first capture makes version 1, the next one version 2 with a parent', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks.slice(0, 8));
  await addImage(opened, 'win11', chunks);
  const [image] = opened.catalog.list();
  assert.deepEqual(
    image?.versions.map(({ version, parent, chunks: count }) => ({ version, parent, count })),
    [
      { version: 2, parent: 1, count: 12 },
      { version: 1, parent: undefined, count: 8 },
    ],
  );
  const newest = opened.catalog.resolve('win11').version;
  assert.equal(newest.version, 2);
  assert.equal(newest.createdAtMs, TEST_TIME_MS);
  assert.equal(newest.usedBytes, 12 * 65_536);
  assert.equal(
    newest.storedBytes,
    chunks.reduce((sum, chunk) => sum + chunk.stored.length - 64, 0),
  );
  assert.equal(opened.catalog.resolve('win11@1').version.version, 1);
});

test('the same disk again makes no new version', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks);
  const answer = await opened.catalog.addVersion(newVersion('win11', manifestOf(chunks)));
  assert.equal(answer.isNew, false);
  assert.equal(answer.version, 1);
  assert.equal(opened.catalog.list()[0]?.versions.length, 1);
});

test('warnings that come after the manifest join their version for good, and are not doubled', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks.slice(0, 8));
  await addImage(opened, 'win11', chunks);
  await opened.catalog.noteWarnings('win11', 1, ['sda2 was taken raw']);
  await opened.catalog.noteWarnings('win11', 1, ['sda2 was taken raw', 'sda3 hibernates']);
  const warnings = ({ catalog }: typeof opened) => catalog.list()[0]!.versions.map((version) => version.warnings);
  const noted = [[], ['sda2 was taken raw', 'sda3 hibernates']];
  assert.deepEqual(warnings(opened), noted);
  assert.deepEqual((await opened.catalog.view('win11@1')).versions[0]!.warnings, noted[1]);
  assert.deepEqual(warnings(await opened.reopen('forget')), noted);
});

test('warnings of an image or version that was removed meanwhile are let go', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks);
  await opened.catalog.noteWarnings('win11', 9, ['late']);
  await opened.catalog.noteWarnings('gone', 1, ['late']);
  assert.deepEqual(
    opened.catalog.list().map(({ name, versions }) => [name, versions.length, versions[0]!.warnings]),
    [['win11', 1, []]],
  );
});

test('captures of one image that end at once get numbers of their own', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks);
  const manifests = [3, 4, 5, 6].map((count) => manifestOf(chunks.slice(0, count)));
  const answers = await Promise.all(manifests.map((bytes) => opened.catalog.addVersion(newVersion('win11', bytes))));
  assert.deepEqual(
    answers.map((answer) => answer.version),
    [2, 3, 4, 5],
  );
});

test('a manifest is refused when a chunk is missing, has another length, or the manifest is garbage', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks.slice(0, 8));
  const { catalog } = opened;
  await assert.rejects(catalog.addVersion(newVersion('win11', manifestOf(chunks))), {
    code: 'CHUNK_MISSING',
    message: new RegExp(chunks[8]!.id.toString('hex')),
  });
  await assert.rejects(catalog.addVersion(newVersion('win11', manifestOf(chunks.slice(0, 8), 128 * 1024))), {
    code: 'MANIFEST_CORRUPT',
  });
  await assert.rejects(catalog.addVersion(newVersion('win11', Buffer.from('FCMF garbage'))), {
    code: 'MANIFEST_CORRUPT',
  });
  await assert.rejects(catalog.addVersion(newVersion('win11', newerManifest())), { code: 'MANIFEST_NEWER' });
  await assert.rejects(catalog.addVersion(newVersion('../x', manifestOf(chunks.slice(0, 8)))), {
    code: 'NAME_INVALID',
  });
  assert.equal(catalog.list()[0]?.versions.length, 1);
});

test('unknown images and versions are named', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks);
  assert.throws(() => opened.catalog.resolve('win12'), { code: 'IMAGE_UNKNOWN', message: /win12/ });
  for (const ref of ['win11@2', 'win11@0', 'win11@x', 'win11@', 'win11@01']) {
    assert.throws(() => opened.catalog.resolve(ref), { code: 'VERSION_UNKNOWN' });
  }
});

test('the view of an image tells its layout and volumes', async (t) => {
  const opened = await openTestStore(t);
  await addImage(opened, 'win11', chunks.slice(0, 8));
  await addImage(opened, 'win11', chunks);
  const whole = await opened.catalog.view('win11');
  assert.equal(whole.versions.length, 2);
  assert.equal(whole.layout?.diskBytes, 12 * 65_536);
  const old = await opened.catalog.view('win11@1');
  assert.deepEqual(
    old.versions.map((view) => view.version),
    [1],
  );
  assert.deepEqual(old.volumes, [
    { kind: 'disk', map: 'raw', startBytes: 0, sizeBytes: 524_288, usedBytes: 524_288, chunks: 8 },
  ]);
});

test('a new name takes all versions along, and is kept', async (t) => {
  const first = await openTestStore(t);
  await addImage(first, 'win11', chunks);
  await addImage(first, 'debian', chunks);
  await assert.rejects(first.catalog.rename('win11', 'debian'), { code: 'IMAGE_EXISTS' });
  await assert.rejects(first.catalog.rename('win11', '.x'), { code: 'NAME_INVALID' });
  await assert.rejects(first.catalog.rename('win11@1', 'x'), { code: 'INVALID_REQUEST' });
  assert.equal((await first.catalog.rename('win11', 'win11-old')).name, 'win11-old');
  const again = await first.reopen('forget');
  assert.deepEqual(
    again.catalog.list().map((image) => image.name),
    ['debian', 'win11-old'],
  );
});

test('the number of a removed version is not used again; the last version takes the image along', async (t) => {
  const opened = await openTestStore(t);
  for (const count of [3, 4, 5]) await addImage(opened, 'win11', chunks.slice(0, count));
  await opened.catalog.remove('win11@3');
  assert.equal(opened.catalog.resolve('win11').version.version, 2);
  await addImage(opened, 'win11', chunks);
  assert.equal(opened.catalog.resolve('win11').version.version, 4);
  await opened.catalog.remove('win11@4');
  await opened.catalog.remove('win11@2');
  await opened.catalog.remove('win11@1');
  assert.deepEqual(opened.catalog.list(), []);
  await addImage(opened, 'win11', chunks);
  await opened.catalog.remove('win11');
  assert.deepEqual((await opened.reopen('forget')).catalog.list(), []);
});

test('a damaged image file is named and left alone, and the other images work', async (t) => {
  for (const content of ['{"format":"fleetcast-image"', '{}', newerImageFile()]) {
    const first = await openTestStore(t);
    await addImage(first, 'win11', chunks);
    await addImage(first, 'debian', chunks);
    const path = join(first.dir, 'images', 'win11.json');
    await writeFile(path, content);
    const { catalog } = await first.reopen();
    assert.deepEqual(
      catalog.list().map((image) => image.name),
      ['debian'],
    );
    assert.throws(() => catalog.resolve('win11'), { code: 'IMAGE_FILE_DAMAGED', message: /win11\.json/ });
    await assert.rejects(catalog.addVersion(newVersion('win11', manifestOf(chunks))), { code: 'IMAGE_FILE_DAMAGED' });
    await assert.rejects(catalog.rename('debian', 'win11'), { code: 'IMAGE_EXISTS' });
    assert.equal(await readFile(path, 'utf8'), content);
  }
});

test('a damaged, newer or missing manifest is named, and the other images work', async (t) => {
  for (const spoil of [flipByte, (path: string) => rm(path), (path: string) => writeFile(path, newerManifest())]) {
    const opened = await openTestStore(t);
    await addImage(opened, 'debian', chunks.slice(0, 4));
    await addImage(opened, 'win11', chunks);
    const { manifestId } = opened.catalog.resolve('win11').version;
    await spoil(manifestPath(opened, manifestId));
    const again = await opened.reopen();
    await assert.rejects(again.catalog.view('win11'), { code: 'MANIFEST_CORRUPT' });
    await assert.rejects(again.catalog.readManifest(manifestId), { code: 'MANIFEST_CORRUPT' });
    assert.equal((await again.catalog.view('debian')).name, 'debian');
    // The same capture again mends it.
    const answer = await again.catalog.addVersion(newVersion('win11', manifestOf(chunks)));
    assert.equal(answer.isNew, false);
    assert.equal((await again.catalog.view('win11')).name, 'win11');
  }
});

test('ids that are no ids never reach the disk', async (t) => {
  const { catalog } = await openTestStore(t);
  await assert.rejects(catalog.readManifest('../images/win11'), { code: 'MANIFEST_CORRUPT' });
});

test('half-written files of a killed process are removed', async (t) => {
  const first = await openTestStore(t);
  await addImage(first, 'win11', chunks);
  await mkdir(join(first.dir, 'images'), { recursive: true });
  await writeFile(join(first.dir, 'images', 'win11.json.tmp-00ff00ff00ff'), 'half');
  await first.reopen();
  assert.deepEqual(await readdir(join(first.dir, 'images')), ['win11.json']);
});

function manifestPath(opened: TestStore, manifestId: string): string {
  return join(opened.dir, 'manifests', `${manifestId}.fcm`);
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 3]! ^= 1;
  await writeFile(path, bytes);
}

function newerManifest(): Buffer {
  const bytes = manifestOf(chunks.slice(0, 4));
  bytes.writeUInt16LE(MANIFEST_VERSION + 1, 4);
  return bytes;
}

function newerImageFile(): string {
  const version = {
    version: 1,
    manifestId: '00'.repeat(32),
    createdAtMs: 1,
    sourceHost: 'x',
    diskBytes: 1,
    usedBytes: 1,
    chunks: 1,
    storedBytes: 1,
    addedBytes: 1,
    warnings: [],
  };
  return JSON.stringify({ format: 'fleetcast-image', formatVersion: 2, nextVersion: 2, versions: [version] });
}
