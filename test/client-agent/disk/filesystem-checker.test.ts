import assert from 'node:assert/strict';
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkFilesystem, complaintIn } from '#agent/disk/filesystem-checker.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { tempFolder } from '#test/temp-folder.ts';

const MiB = 1024 * 1024;
const { signal } = new AbortController();

/** `xfs_repair -n` 6.1, of an XFS whose first AGI was overwritten. */
const XFS_WORDS = `Phase 1 - find and verify superblock...
Cannot get host filesystem geometry.
Repair may fail if there is a sector size mismatch between
the image and the host filesystem.
Phase 2 - using internal log
        - zero log...
        - scan filesystem freespace and inode maps...
Metadata CRC error detected at 0x5596aeed0d20, xfs_agi block 0x2/0x200
agi has bad CRC for ag 0
bad magic # 0xffffffff for agi 0
`;

test('a sound filesystem is clean, a damaged one is told in its checker’s words, and time that is up is no damage', async (t) => {
  const image = join(tempFolder(t), 'image');
  makeEmptyFile(image, 16 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-b', '1024', image]);
  const limits = { limitMs: 60_000, signal };
  assert.deepEqual(await checkFilesystem('ext4', image, limits), { check: 'clean' });
  assert.deepEqual(await checkFilesystem('ext4', image, { limitMs: 0, signal }), {
    why: 'no time was left for e2fsck',
  });
  assert.deepEqual(await checkFilesystem('vfat', image, limits), { why: 'there is no checker for vfat' });
  writeSync(openSync(image, 'r+'), Buffer.alloc(2048, 0xff), 0, 2048, 2048);
  const damaged = await checkFilesystem('ext4', image, limits);
  assert.match(Object.entries(damaged).join(), /^damage,e2fsck: (?!Pass|e2fsck)\w+/);
});

test('what a checker says of its own progress is no complaint', () => {
  const words = complaintIn('No modify flag set, skipping phase 5\n', XFS_WORDS);
  assert.equal(
    words,
    'Metadata CRC error detected at 0x5596aeed0d20, xfs_agi block 0x2/0x200 | agi has bad CRC for ag 0',
  );
  assert.equal(complaintIn('', 'e2fsck 1.47.2 (1-Jan-2025)\n'), 'it does not say what is wrong');
});
