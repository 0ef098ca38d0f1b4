import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { forInitramfs, whileForInitramfs } from '#agent/finishers/crypttab.ts';
import { RootFolder } from '#agent/finishers/root-folder.ts';
import { tempFolder } from '#test/temp-folder.ts';

const [A, B] = ['6d3b1a52-0c1e-4f4d-9a51-52f04d9a7c11', '11111111-2222-4333-8444-555555555555'];
const table = `# <target> <source> <key> <options>\nvda4_crypt UUID=${A} none luks,discard\ndata\tUUID="${B}"\n`;

test('the containers of the image are to be opened in the initramfs, the others stay as they are', () => {
  const wanted = `# <target> <source> <key> <options>\nvda4_crypt UUID=${A} none luks,discard,initramfs\ndata\tUUID="${B}"\n`;
  assert.equal(forInitramfs(table, [A.toUpperCase()]), wanted);
  assert.equal(forInitramfs(wanted, [A]), wanted);
  assert.match(forInitramfs(table, [A, B])!, new RegExp(`^data UUID="${B}" none initramfs$`, 'm'));
});

test('a table that names a container in another way, or not at all, is not guessed about', () => {
  assert.equal(forInitramfs('vda4_crypt /dev/vda4 none luks\n', [A]), undefined);
  assert.equal(forInitramfs(`# vda4_crypt UUID=${A} none luks\n`, [A]), undefined);
});

test('the file of the system is what it was afterwards', {
  skip: process.getuid?.() === 0 ? false : 'mounting needs root: sudo npm test',
}, async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'etc/crypttab');
  mkdirSync(join(folder, 'etc'));
  writeFileSync(path, table);
  let during = '';
  await whileForInitramfs(new RootFolder(folder), [A], async () => {
    during = readFileSync(path, 'utf8');
  });
  assert.match(during, /luks,discard,initramfs/);
  assert.equal(readFileSync(path, 'utf8'), table);
});
