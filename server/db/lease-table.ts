/** SQL of the DHCP leases. */
import type { Database } from './database.ts';

export interface LeaseRow {
  readonly address: string;
  readonly client: string;
  readonly mac: string;
  readonly host_name: string | null;
  readonly state: 'bound' | 'released' | 'declined';
  readonly started_ms: number;
  /** By the kept clock. Of a declined address: the end of its quarantine. */
  readonly expires_ms: number;
}

export class LeaseTable {
  readonly #all;
  readonly #put;
  readonly #remove;

  constructor(database: Database) {
    this.#all = database.prepare<[], LeaseRow>('SELECT * FROM lease ORDER BY expires_ms');
    this.#put = database.prepare<LeaseRow>(
      `INSERT INTO lease (address, client, mac, host_name, state, started_ms, expires_ms)
       VALUES (:address, :client, :mac, :host_name, :state, :started_ms, :expires_ms)
       ON CONFLICT (address) DO UPDATE SET client = excluded.client, mac = excluded.mac, host_name = excluded.host_name,
         state = excluded.state, started_ms = excluded.started_ms, expires_ms = excluded.expires_ms`,
    );
    this.#remove = database.prepare<[string]>('DELETE FROM lease WHERE address = ?');
  }

  /** The one that ends first comes first. */
  all(): LeaseRow[] {
    return this.#all.all();
  }

  /** The only lease of its address from now on. */
  put(row: LeaseRow): void {
    this.#put.run(row);
  }

  remove(address: string): void {
    this.#remove.run(address);
  }
}
