import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from '#system/folder.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

const FOLDER = join(import.meta.dirname, '../../system/folder.ts');
const skip = process.getuid?.() === 0 ? false : 'needs root, to be somebody else';

test('a folder is made with those above it, and one that is there is left as it is', async (t) => {
  const path = join(tempFolder(t), 'a', 'b');
  await makeFolder(path, 'the setting', 0o700);
  await makeFolder(path, 'the setting', 0o755);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('a file where the folder or one above it should be is named', async (t) => {
  const file = join(tempFolder(t), 'file');
  writeFileSync(file, '');
  for (const path of [file, join(file, 'below')]) {
    await assert.rejects(makeFolder(path, 'the setting'), {
      code: 'FOLDER_UNUSABLE',
      message: `The folder ${path} cannot be used: a file is in the way`,
      next: /name another folder: the setting$/,
    });
  }
});

test('a folder that may not be made, or is there and may not be written, is a matter of permission', {
  skip,
}, async (t) => {
  const folder = tempFolder(t);
  chmodSync(folder, 0o755);
  const asNobody = async (path: string) => {
    const program = `import { makeFolder } from ${JSON.stringify(FOLDER)};
      await makeFolder(${JSON.stringify(path)}, 'x').catch((error) => console.log(error.message));`;
    const node = [process.execPath, '--input-type=module', '--eval', program];
    return (await run(['setpriv', '--reuid=65534', '--clear-groups', ...node])).stdout.trim();
  };
  for (const path of [folder, join(folder, 'below')]) {
    assert.equal(await asNobody(path), `The folder ${path} cannot be used: no permission`);
  }
});

test('on a read-only filesystem nothing can be made, and it says so', { skip }, async (t) => {
  const point = tempFolder(t);
  await run(['mount', '-t', 'tmpfs', '-o', 'ro', 'tmpfs', point]);
  try {
    const path = join(point, 'a', 'b');
    const message = `The folder ${path} cannot be used: its filesystem is read-only`;
    await assert.rejects(makeFolder(path, 'the setting'), { code: 'FOLDER_UNUSABLE', message });
  } finally {
    await run(['umount', point]);
  }
});
