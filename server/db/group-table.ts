/** SQL of groups and their members. */
import type { Database } from './database.ts';
import { collect } from './host-table.ts';

export interface GroupRow {
  readonly group_id: number;
  readonly name: string;
  /** Which disk of its hosts is meant when neither session nor host says. */
  readonly disk_rule: string | null;
}

export class GroupTable {
  #database: Database;
  #namesOf;
  #diskRulesOf;

  constructor(database: Database) {
    this.#database = database;
    this.#namesOf = database
      .prepare<[number], string>(
        'SELECT name FROM host_group JOIN host_group_member USING (group_id) WHERE host_id = ? ORDER BY name',
      )
      .pluck();
    this.#diskRulesOf = database.prepare<[number], { group: string; rule: string }>(
      `SELECT name AS "group", disk_rule AS rule FROM host_group JOIN host_group_member USING (group_id)
       WHERE host_id = ? AND disk_rule IS NOT NULL ORDER BY name`,
    );
  }

  all(): GroupRow[] {
    return this.#database.prepare<[], GroupRow>('SELECT * FROM host_group ORDER BY name').all();
  }

  byName(name: string): GroupRow | undefined {
    return this.#database.prepare<[string], GroupRow>('SELECT * FROM host_group WHERE name = ?').get(name);
  }

  /** Names of the groups of a host, in order. */
  namesOf(hostId: number): string[] {
    return this.#namesOf.all(hostId);
  }

  /** Names of the groups of every host, by host id. */
  allNames(): Map<number, string[]> {
    const rows = this.#database.prepare<[], { host_id: number; name: string }>(
      'SELECT host_id, name FROM host_group JOIN host_group_member USING (group_id) ORDER BY name',
    );
    return collect(rows.all().map((row) => [row.host_id, row.name]));
  }

  /** Host ids of the members. */
  membersOf(groupId: number): number[] {
    return this.#database
      .prepare<[number], number>('SELECT host_id FROM host_group_member WHERE group_id = ?')
      .pluck()
      .all(groupId);
  }

  insert(name: string): GroupRow {
    return this.#database
      .prepare<[string], GroupRow>('INSERT INTO host_group (name) VALUES (?) RETURNING *')
      .get(name)!;
  }

  setName(groupId: number, name: string): void {
    this.#database.prepare('UPDATE host_group SET name = ? WHERE group_id = ?').run(name, groupId);
  }

  setDiskRule(groupId: number, rule: string | null): void {
    this.#database.prepare('UPDATE host_group SET disk_rule = ? WHERE group_id = ?').run(rule, groupId);
  }

  /** Disk rules of the groups of a host, in order of the groups' names. */
  diskRulesOf(hostId: number): { group: string; rule: string }[] {
    return this.#diskRulesOf.all(hostId);
  }

  /** The same of every host, by host id. */
  allDiskRules(): Map<number, { group: string; rule: string }[]> {
    const rows = this.#database.prepare<[], { host_id: number; group: string; rule: string }>(
      `SELECT host_id, name AS "group", disk_rule AS rule FROM host_group JOIN host_group_member USING (group_id)
       WHERE disk_rule IS NOT NULL ORDER BY name`,
    );
    return collect(rows.all().map(({ host_id, group, rule }) => [host_id, { group, rule }]));
  }

  remove(groupId: number): void {
    this.#database.prepare('DELETE FROM host_group WHERE group_id = ?').run(groupId);
  }

  /** True when the host was not in it yet. */
  addMember(groupId: number, hostId: number): boolean {
    const insert = this.#database.prepare('INSERT OR IGNORE INTO host_group_member (group_id, host_id) VALUES (?, ?)');
    return insert.run(groupId, hostId).changes === 1;
  }

  /** True when the host was in it. */
  removeMember(groupId: number, hostId: number): boolean {
    const remove = this.#database.prepare('DELETE FROM host_group_member WHERE group_id = ? AND host_id = ?');
    return remove.run(groupId, hostId).changes === 1;
  }
}
