/** SQL of what groups and images choose when a session says nothing of it. */
import type { Chosen } from '#protocol/admin/chosen.ts';
import type { Database } from './database.ts';

export type ChoiceKind = 'finishers' | 'luks-secrets';
export type ChoiceScope = 'group' | 'image';

export class ChoiceTable {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Undefined: it chooses nothing. */
  of(what: ChoiceKind, scope: ChoiceScope, name: string): string[] | undefined {
    const text = this.#database
      .prepare<[string, string, string], string>('SELECT names FROM choice WHERE what = ? AND scope = ? AND name = ?')
      .pluck()
      .get(what, scope, name);
    return text === undefined ? undefined : (JSON.parse(text) as string[]);
  }

  /** All that it chooses, as the admin API shows it. */
  shownOf(scope: ChoiceScope, name: string): Chosen {
    const finishers = this.of('finishers', scope, name);
    const luksSecrets = this.of('luks-secrets', scope, name);
    return { ...(finishers === undefined ? {} : { finishers }), ...(luksSecrets === undefined ? {} : { luksSecrets }) };
  }

  /** Who chooses this one: `group room-101`, in order. */
  choosersOf(what: ChoiceKind, chosen: string): string[] {
    return this.#database
      .prepare<[string, string], string>(
        `SELECT scope || ' ' || name FROM choice
         WHERE what = ? AND EXISTS (SELECT 1 FROM json_each(names) WHERE value = ?) ORDER BY scope, name`,
      )
      .pluck()
      .all(what, chosen);
  }

  /** `names` undefined takes it back. */
  set(what: ChoiceKind, scope: ChoiceScope, name: string, names: readonly string[] | undefined): void {
    this.#database.prepare('DELETE FROM choice WHERE what = ? AND scope = ? AND name = ?').run(what, scope, name);
    if (names === undefined) return;
    this.#database
      .prepare('INSERT INTO choice (what, scope, name, names) VALUES (?, ?, ?, ?)')
      .run(what, scope, name, JSON.stringify(names));
  }

  /** The group or image has another name, or (undefined) is gone; what it chooses goes with it. */
  follow(scope: ChoiceScope, name: string, newName: string | undefined): void {
    if (name === newName) return;
    const statement =
      newName === undefined
        ? this.#database.prepare('DELETE FROM choice WHERE scope = @scope AND name = @name')
        : this.#database.prepare('UPDATE OR REPLACE choice SET name = @newName WHERE scope = @scope AND name = @name');
    statement.run(newName === undefined ? { scope, name } : { scope, name, newName });
  }
}
