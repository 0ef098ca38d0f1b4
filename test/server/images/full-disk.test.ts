import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { KnownError } from '#protocol/errors.ts';
import { freeBytesOf } from '#server/images/store-space.ts';
import { addImage, makeChunks, manifestOf, openTestStore, streamOf } from './test-store.ts';

const STEP_BYTES = 4096;

async function mountSmall(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'fleetcast-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'fc-test-full', dir]);
  t.after(async () => {
    execFileSync('umount', ['--lazy', dir]);
    await rm(dir, { recursive: true });
  });
  return dir;
}

/** Takes all the room but `leftBytes`. */
async function fill(path: string, dir: string, leftBytes: number): Promise<void> {
  const file = await open(path, 'w');
  try {
    const piece = Buffer.alloc(STEP_BYTES, 1);
    while ((await freeBytesOf(dir)) >= leftBytes + STEP_BYTES) await file.write(piece);
  } finally {
    await file.close();
  }
}

test('a disk that becomes full at any step after the upload gives STORE_FULL, no image, and the space back', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to mount a small filesystem');
  const opened = await openTestStore(t, await mountSmall(t));
  const dir = join(opened.dir, '..');
  const filler = join(dir, 'filler');
  await addImage(opened, 'first', makeChunks(3, 500));
  const failedAt = { finish: 0, version: 0 };
  let leftBytes = 0;
  for (let isDone = false; !isDone; leftBytes += STEP_BYTES) {
    const chunks = makeChunks(60, 1000);
    const freeBefore = await freeBytesOf(dir);
    const intake = await opened.store.beginIntake();
    await intake.write(streamOf(chunks));
    await fill(filler, dir, leftBytes);
    let step: keyof typeof failedAt = 'finish';
    try {
      const { addedBytes } = await intake.finish();
      step = 'version';
      const manifestBytes = manifestOf(chunks);
      await opened.catalog.addVersion({ image: 'new', sourceHost: 'pc-1', manifestBytes, warnings: [], addedBytes });
      isDone = true;
    } catch (error) {
      assert.ok(
        error instanceof KnownError && error.code === 'STORE_FULL',
        `${leftBytes} left: ${(error as Error).stack}`,
      );
      failedAt[step]++;
      assert.deepEqual(
        opened.catalog.list().map((image) => image.name),
        ['first'],
      );
      await intake.abort();
    }
    await rm(filler);
    if (!isDone) {
      const lost = freeBefore - (await freeBytesOf(dir));
      assert.ok(lost < 256 * 1024, `${lost} bytes are lost with ${leftBytes} left in ${step}`);
    }
    assert.ok(leftBytes < 4 * 1024 * 1024, 'it never succeeds');
  }
  assert.ok(failedAt.finish > 0 && failedAt.version > 0, JSON.stringify(failedAt));
  const again = await opened.reopen('forget');
  assert.deepEqual(
    again.catalog.list().map((image) => image.name),
    ['first', 'new'],
  );
});
