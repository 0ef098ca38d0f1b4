import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openDatabase } from '#server/db/database.ts';
import { tempFolder } from '#test/temp-folder.ts';

function makeFolder(t: TestContext): { path: string; migrations: string } {
  const folder = tempFolder(t);
  const migrations = join(folder, 'migrations');
  cpSync(join(import.meta.dirname, '../../../migrations'), migrations, { recursive: true });
  return { path: join(folder, 'fleetcast.db'), migrations };
}

test('a database opens again with what it held', (t) => {
  const { path } = makeFolder(t);
  const first = openDatabase(path);
  first.prepare("INSERT INTO host_group (name) VALUES ('room-101')").run();
  first.close();
  const second = openDatabase(path);
  assert.equal(second.prepare('SELECT name FROM host_group').pluck().get(), 'room-101');
  assert.equal(second.pragma('journal_mode', { simple: true }), 'wal');
  assert.equal(second.pragma('foreign_keys', { simple: true }), 1);
  second.close();
});

test('the file is copied before a new migration runs', (t) => {
  const { path, migrations } = makeFolder(t);
  openDatabase(path, migrations).close();
  writeFileSync(join(migrations, '9999-later.sql'), 'CREATE TABLE later (x INTEGER) STRICT;');
  const database = openDatabase(path, migrations);
  assert.equal(database.prepare('SELECT count(*) FROM later').pluck().get(), 0);
  database.close();
  const copies = readdirSync(join(path, '..')).filter((name) => name.startsWith('fleetcast.db.before-'));
  assert.equal(copies.length, 1);
});

test('the database of a newer fleetcast is refused', (t) => {
  const { path, migrations } = makeFolder(t);
  writeFileSync(join(migrations, '9999-later.sql'), 'CREATE TABLE later (x INTEGER) STRICT;');
  openDatabase(path, migrations).close();
  assert.throws(() => openDatabase(path), { code: 'DATABASE_NEWER' });
});

test('a migration that changed after it ran is refused', (t) => {
  const { path, migrations } = makeFolder(t);
  writeFileSync(join(migrations, '9998-more.sql'), 'CREATE TABLE more (x INTEGER) STRICT;');
  openDatabase(path, migrations).close();
  writeFileSync(join(migrations, '9998-more.sql'), 'CREATE TABLE more (y INTEGER) STRICT;');
  assert.throws(() => openDatabase(path, migrations), { code: 'DATABASE_CHANGED' });
});

test('a migration that fails leaves nothing of itself', (t) => {
  const { path, migrations } = makeFolder(t);
  writeFileSync(join(migrations, '9998-bad.sql'), 'CREATE TABLE good (x INTEGER) STRICT; CREATE NONSENSE;');
  assert.throws(() => openDatabase(path, migrations));
  rmSync(join(migrations, '9998-bad.sql'));
  const database = openDatabase(path, migrations);
  assert.equal(database.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'good'").pluck().get(), 0);
  database.close();
});
