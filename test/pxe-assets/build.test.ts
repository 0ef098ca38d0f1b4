import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BOOT_PACKAGES, readyBootAssets } from '#lab/boot-cache.ts';
import { missingForVirtualMachines } from '#lab/virtual-machine.ts';
import type { KnownError } from '#protocol/errors.ts';
import { build } from '#pxe-assets/build.ts';
import { tempFolder } from '#test/temp-folder.ts';

interface Index {
  files: Record<string, { sha256: string }>;
  builds: { amd64: { lockDifferences: string[]; packages: unknown[] } };
}

test('a build at another time, in another folder, gives the same bytes from the same packages', {
  skip: missingForVirtualMachines() ?? false,
}, async (t) => {
  const first = await readyBootAssets(() => {});
  const folder = tempFolder(t);
  const out = join(folder, 'a/longer/path/out');
  const said: string[] = [];
  const options = { out, cache: BOOT_PACKAGES, mirror: undefined, nonFreeFirmware: false, force: false };
  const say = (line: string) => void said.push(line);
  // Files that nobody but their owner may read must not show in what is built.
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  assert.equal(await build({ ...options, say }), true);

  const [made, again] = [readIndex(first), readIndex(out)];
  assert.deepEqual(again.files, made.files);
  assert.deepEqual(again.builds, made.builds);
  assert.ok(again.builds.amd64.packages.length > 100);
  assert.equal(await build({ ...options, say }), false);
  assert.match(said.at(-1)!, /up to date/);

  if (again.builds.amd64.lockDifferences.length > 0) {
    const refused = (error: KnownError) => error.code === 'BOOT_LOCK_DIFFERS';
    await assert.rejects(build({ ...options, say, lock: 'strict' }), refused);
  } else assert.equal(await build({ ...options, say, lock: 'strict' }), false);
});

function readIndex(folder: string): Index {
  return JSON.parse(readFileSync(join(folder, 'boot.json'), 'utf8')) as Index;
}
