import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  compareWithLock,
  type LockedPackage,
  readLock,
  renderLock,
  tellDifferences,
  writeLockSection,
} from '#pxe-assets/debian-lock.ts';
import { tempFolder } from '#test/temp-folder.ts';

const used: LockedPackage[] = [
  { name: 'a', version: '1:2.0-1', sha256: 'aa' },
  { name: 'b', version: '1.0~rc1', sha256: 'bb' },
  { name: 'c', version: '3', sha256: 'c2' },
];

test('the packages of the lock differ in nothing', () => {
  assert.deepEqual(compareWithLock({ a: ['1:2.0-1', 'aa'], b: ['1.0~rc1', 'bb'], c: ['3', 'c2'] }, used), []);
});

test('every difference is told, with versions ordered as Debian orders them', async () => {
  const locked = { a: ['9.0-1', 'aa'], b: ['1.0', 'bb'], c: ['3', 'c1'], gone: ['1', 'dd'] } as const;
  assert.deepEqual(await tellDifferences(compareWithLock(locked, used)), [
    'newer than the lock: a 1:2.0-1 (lock: 9.0-1)',
    'older than the lock: b 1.0~rc1 (lock: 1.0)',
    'other content than the lock says: c 3',
    'in the lock, but not used: gone 1',
  ]);
  assert.equal((await tellDifferences(compareWithLock(undefined, used)))[0], 'not in the lock: a 1:2.0-1');
});

test('a section is written in the place of the old one, and the others stay', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'lock.json');
  await writeLockSection('trixie/arm64', used, path);
  await writeLockSection('trixie/amd64', used, path);
  await writeLockSection('trixie/amd64', used.slice(1), path);
  const lock = await readLock(path);
  assert.deepEqual(compareWithLock(lock['trixie/amd64'], used.slice(1)), []);
  assert.deepEqual(compareWithLock(lock['trixie/arm64'], used), []);
});

test('the committed lock names packages, versions and digests for amd64, is written as the build writes it, and names no host', async () => {
  const lock = await readLock();
  assert.ok(lock['trixie/amd64']?.['linux-image-amd64'] !== undefined);
  for (const [version, sha256] of Object.values(lock).flatMap((section) => Object.values(section))) {
    assert.match(version, /^[0-9][A-Za-z0-9.+~:-]*$/);
    assert.match(sha256, /^[0-9a-f]{64}$/);
  }
  assert.doesNotMatch(renderLock(lock), /\/\//);
});
