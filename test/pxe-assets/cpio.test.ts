import assert from 'node:assert/strict';
import { readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Entry, makeCpio } from '#pxe-assets/cpio.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

const entries: Entry[] = [
  { path: 'init', kind: 'file', bytes: Buffer.from('#!/bin/sh\n'), isProgram: true },
  { path: 'etc/deep/name', kind: 'file', bytes: Buffer.from('x'), isProgram: false },
  { path: 'sh', kind: 'link', target: 'bin/busybox' },
];

test('busybox cpio unpacks what was packed', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'archive'), makeCpio(entries));
  await run(['busybox', 'cpio', '-i', '-d', '-F', 'archive'], { cwd: folder });
  assert.equal(readFileSync(join(folder, 'init'), 'utf8'), '#!/bin/sh\n');
  assert.equal(statSync(join(folder, 'init')).mode & 0o777, 0o755);
  assert.equal(readFileSync(join(folder, 'etc/deep/name'), 'utf8'), 'x');
  assert.equal(readlinkSync(join(folder, 'sh')), 'bin/busybox');
});

test('the order in which entries are given does not change the bytes', () => {
  assert.deepEqual(makeCpio(entries), makeCpio([...entries].reverse()));
});
