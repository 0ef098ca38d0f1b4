/** Opens the SQLite database and brings it to the newest migration. The only file that touches better-sqlite3. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { type KnownError, knownError } from '#protocol/errors.ts';

export type Database = BetterSqlite3.Database;

const MIGRATIONS_DIR = join(import.meta.dirname, '../../migrations');

/** Whoever waits here waits with all agents; a call that was refused comes again. */
const BUSY_LIMIT_MS = 500;

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
}

/**
 * Opens `path` (`:memory:` in tests). Before a migration runs, the file is copied to `PATH.before-N`.
 * Throws DATABASE_NEWER, DATABASE_CHANGED, DATABASE_DAMAGED.
 */
export function openDatabase(path: string, migrationsDir = MIGRATIONS_DIR): Database {
  const database = new BetterSqlite3(path);
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    database.pragma(`busy_timeout = ${BUSY_LIMIT_MS}`);
    migrate(database, path, readMigrations(migrationsDir));
  } catch (error) {
    database.close();
    if (!(error instanceof BetterSqlite3.SqliteError) || !DAMAGED.test(error.code)) throw error;
    throw knownError('DATABASE_DAMAGED', { path, reason: error.message }, { cause: error });
  }
  return database;
}

/** The file is not what SQLite wrote. */
const DAMAGED = /^SQLITE_(NOTADB|CORRUPT)/;

/** Results of SQLite that come from around the database: a full or broken disk, a program that holds it (sqlite.org/rescode.html). */
const BLOCKED = /^SQLITE_(FULL|BUSY|LOCKED|IOERR|READONLY|CANTOPEN)/;

/** What an error of SQLite says when nothing is wrong with the statement; undefined: it is something else. */
export function blockedError(error: unknown): KnownError | undefined {
  if (!(error instanceof BetterSqlite3.SqliteError) || !BLOCKED.test(error.code)) return undefined;
  return knownError('DATABASE_BLOCKED', { reason: `${error.message} (${error.code})` }, { cause: error });
}

/** Looks at a database file without changing it; `thoroughly` reads all of it. Never throws for a bad one. */
export function examineDatabase(path: string, thoroughly: boolean): 'good' | { readonly problem: string } {
  try {
    const database = new BetterSqlite3(path, { readonly: true, timeout: 1000 });
    try {
      database.prepare('SELECT count(*) FROM migration').get();
      const found = thoroughly ? database.pragma('quick_check(1)', { simple: true }) : 'ok';
      return found === 'ok' ? 'good' : { problem: String(found) };
    } finally {
      database.close();
    }
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

function readMigrations(folder: string): Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}-.+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(join(folder, name), 'utf8');
      return { number: Number(name.slice(0, 4)), name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
    });
}

function migrate(database: Database, path: string, migrations: readonly Migration[]): void {
  database.exec(
    'CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT',
  );
  const done = database.prepare<[], { number: number; name: string; sha256: string }>(
    'SELECT number, name, sha256 FROM migration ORDER BY number',
  );
  const applied = new Map(done.all().map((row) => [row.number, row]));
  const known = migrations.at(-1)?.number ?? 0;
  const found = Math.max(0, ...applied.keys());
  if (found > known) throw knownError('DATABASE_NEWER', { path, found, known });
  for (const migration of migrations) {
    const row = applied.get(migration.number);
    if (row !== undefined && row.sha256 !== migration.sha256) {
      throw knownError('DATABASE_CHANGED', { name: migration.name, path });
    }
  }
  const waiting = migrations.filter((migration) => !applied.has(migration.number));
  if (waiting.length > 0 && found > 0 && existsSync(path)) {
    database.pragma('wal_checkpoint(TRUNCATE)');
    copyFileSync(path, `${path}.before-${found + 1}`);
  }
  const record = database.prepare('INSERT INTO migration (number, name, sha256) VALUES (?, ?, ?)');
  for (const migration of waiting) {
    database.transaction(() => {
      database.exec(migration.sql);
      record.run(migration.number, migration.name, migration.sha256);
    })();
  }
}
