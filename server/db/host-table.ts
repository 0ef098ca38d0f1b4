/** SQL of hosts and their MACs. */
import type { Database } from './database.ts';

export interface HostRow {
  readonly host_id: number;
  readonly name: string;
  readonly approval: 'pending' | 'approved';
  readonly system_uuid: string | null;
  /** JSON of inventorySchema. */
  readonly inventory: string | null;
  readonly last_seen_ms: number | null;
  /** SecureOn password, in the form of a MAC. */
  readonly secure_on: string | null;
  /** What DHCP keeps for it. */
  readonly address: string | null;
  /** Which disk is meant when a session does not say. */
  readonly disk_rule: string | null;
  /** When its firmware last asked what to boot. */
  readonly last_boot_ms: number | null;
}

export class HostTable {
  #database: Database;
  #byId;
  #byMac;
  #byAddress;
  #macsOf;
  #setSeen;
  #setBooted;
  #setInventory;

  constructor(database: Database) {
    this.#database = database;
    this.#byId = database.prepare<[number], HostRow>('SELECT * FROM host WHERE host_id = ?');
    this.#byMac = database.prepare<[string], HostRow>(
      'SELECT host.* FROM host JOIN host_mac USING (host_id) WHERE mac = ?',
    );
    this.#byAddress = database.prepare<[string], HostRow>('SELECT * FROM host WHERE address = ?');
    this.#macsOf = database
      .prepare<[number], string>('SELECT mac FROM host_mac WHERE host_id = ? ORDER BY mac')
      .pluck();
    this.#setBooted = database.prepare<[number, number]>('UPDATE host SET last_boot_ms = ? WHERE host_id = ?');
    this.#setInventory = database.prepare<[string, number]>('UPDATE host SET inventory = ? WHERE host_id = ?');
    this.#setSeen = database.prepare<[number, number]>('UPDATE host SET last_seen_ms = ? WHERE host_id = ?');
  }

  all(): HostRow[] {
    return this.#database.prepare<[], HostRow>('SELECT * FROM host').all();
  }

  /** MACs of every host, by host id. */
  allMacs(): Map<number, string[]> {
    const rows = this.#database.prepare<[], { host_id: number; mac: string }>(
      'SELECT host_id, mac FROM host_mac ORDER BY mac',
    );
    return collect(rows.all().map((row) => [row.host_id, row.mac]));
  }

  byId(hostId: number): HostRow | undefined {
    return this.#byId.get(hostId);
  }

  byName(name: string): HostRow | undefined {
    return this.#database.prepare<[string], HostRow>('SELECT * FROM host WHERE name = ?').get(name);
  }

  byMac(mac: string): HostRow | undefined {
    return this.#byMac.get(mac);
  }

  byAddress(address: string): HostRow | undefined {
    return this.#byAddress.get(address);
  }

  macsOf(hostId: number): string[] {
    return this.#macsOf.all(hostId);
  }

  count(approval?: HostRow['approval']): number {
    const where = approval === undefined ? '' : 'WHERE approval = ?';
    const values = approval === undefined ? [] : [approval];
    return this.#database
      .prepare<unknown[], number>(`SELECT count(*) FROM host ${where}`)
      .pluck()
      .get(...values)!;
  }

  /** Answers the id of the new host. */
  insert(
    host: { name: string; approval: HostRow['approval']; systemUuid?: string | undefined },
    nowMs: number,
  ): number {
    return this.#database
      .prepare<unknown[], number>(
        'INSERT INTO host (name, approval, system_uuid, created_ms) VALUES (?, ?, ?, ?) RETURNING host_id',
      )
      .pluck()
      .get(host.name, host.approval, host.systemUuid ?? null, nowMs)!;
  }

  addMac(hostId: number, mac: string): void {
    this.#database.prepare('INSERT INTO host_mac (mac, host_id) VALUES (?, ?)').run(mac, hostId);
  }

  setName(hostId: number, name: string): void {
    this.#database.prepare('UPDATE host SET name = ? WHERE host_id = ?').run(name, hostId);
  }

  approve(hostId: number): void {
    this.#database.prepare("UPDATE host SET approval = 'approved' WHERE host_id = ?").run(hostId);
  }

  setSystemUuid(hostId: number, systemUuid: string): void {
    this.#database.prepare('UPDATE host SET system_uuid = ? WHERE host_id = ?').run(systemUuid, hostId);
  }

  setSecureOn(hostId: number, password: string | null): void {
    this.#database.prepare('UPDATE host SET secure_on = ? WHERE host_id = ?').run(password, hostId);
  }

  setAddress(hostId: number, address: string | null): void {
    this.#database.prepare('UPDATE host SET address = ? WHERE host_id = ?').run(address, hostId);
  }

  setDiskRule(hostId: number, rule: string | null): void {
    this.#database.prepare('UPDATE host SET disk_rule = ? WHERE host_id = ?').run(rule, hostId);
  }

  setBooted(hostId: number, atMs: number): void {
    this.#setBooted.run(atMs, hostId);
  }

  setInventory(hostId: number, inventory: string): void {
    this.#setInventory.run(inventory, hostId);
  }

  setSeen(hostId: number, atMs: number): void {
    this.#setSeen.run(atMs, hostId);
  }

  remove(hostId: number): void {
    this.#database.prepare('DELETE FROM host WHERE host_id = ?').run(hostId);
  }
}

/** Values of each key, in the order in which they come. */
export function collect<Key, Value>(pairs: readonly (readonly [Key, Value])[]): Map<Key, Value[]> {
  const all = new Map<Key, Value[]>();
  for (const [key, value] of pairs) {
    const values = all.get(key);
    if (values === undefined) all.set(key, [value]);
    else values.push(value);
  }
  return all;
}
