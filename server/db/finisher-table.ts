/** SQL of own finishers. */
import type { OnError } from '#protocol/finisher.ts';
import type { Database } from './database.ts';

export interface FinisherRow {
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
  /** Path in the target, of a file that is laid there. */
  readonly target: string | null;
  readonly on_error: OnError;
  readonly limit_s: number;
  readonly created_ms: number;
}

export class FinisherTable {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** In name order. */
  all(): FinisherRow[] {
    return this.#database.prepare<[], FinisherRow>('SELECT * FROM finisher ORDER BY name').all();
  }

  byName(name: string): FinisherRow | undefined {
    return this.#database.prepare<[string], FinisherRow>('SELECT * FROM finisher WHERE name = ?').get(name);
  }

  insert(row: FinisherRow): void {
    this.#database
      .prepare(
        `INSERT INTO finisher (name, digest, bytes, target, on_error, limit_s, created_ms)
         VALUES (@name, @digest, @bytes, @target, @on_error, @limit_s, @created_ms)`,
      )
      .run(row);
  }

  remove(name: string): void {
    this.#database.prepare('DELETE FROM finisher WHERE name = ?').run(name);
  }

  /** Whether some finisher has these bytes. */
  hasDigest(digest: string): boolean {
    return this.#database.prepare('SELECT 1 FROM finisher WHERE digest = ?').get(digest) !== undefined;
  }

  /** A running session one of whose tasks will run it. */
  sessionRunning(name: string): number | undefined {
    return this.#database
      .prepare<[string], number>(
        `SELECT session_id FROM task WHERE state NOT IN ('succeeded', 'failed', 'cancelled') AND finishers IS NOT NULL
           AND EXISTS (SELECT 1 FROM json_each(task.finishers) WHERE value ->> '$.name' = ?) LIMIT 1`,
      )
      .pluck()
      .get(name);
  }
}
