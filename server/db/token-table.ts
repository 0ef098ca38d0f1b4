/** SQL of boot tokens and agent tokens: only their SHA-256 is kept. */
import type { Database } from './database.ts';

export interface BootTokenRow {
  readonly host_id: number;
  readonly mac: string;
  readonly system_uuid: string | null;
  /** By the kept clock. */
  readonly expires_ms: number;
  readonly spent_ms: number | null;
}

export interface SealRow {
  readonly token_hash: Buffer;
  readonly seal_key: string | null;
}

export class TokenTable {
  #database: Database;
  #agentHost;
  #seal;

  constructor(database: Database) {
    this.#database = database;
    this.#agentHost = database
      .prepare<[Buffer], number>('SELECT host_id FROM agent_token WHERE token_hash = ?')
      .pluck();
    this.#seal = database.prepare<[number], SealRow>('SELECT token_hash, seal_key FROM agent_token WHERE host_id = ?');
  }

  insertBoot(hash: Buffer, row: Omit<BootTokenRow, 'spent_ms'>): void {
    this.#database
      .prepare('INSERT INTO boot_token (token_hash, host_id, mac, system_uuid, expires_ms) VALUES (?, ?, ?, ?, ?)')
      .run(hash, row.host_id, row.mac, row.system_uuid, row.expires_ms);
  }

  findBoot(hash: Buffer): BootTokenRow | undefined {
    return this.#database.prepare<[Buffer], BootTokenRow>('SELECT * FROM boot_token WHERE token_hash = ?').get(hash);
  }

  /** True when it was not spent before. */
  spendBoot(hash: Buffer, nowMs: number): boolean {
    const spend = this.#database.prepare(
      'UPDATE boot_token SET spent_ms = ? WHERE token_hash = ? AND spent_ms IS NULL',
    );
    return spend.run(nowMs, hash).changes === 1;
  }

  removeBootExpiredBefore(keptMs: number): void {
    this.#database.prepare('DELETE FROM boot_token WHERE expires_ms < ?').run(keptMs);
  }

  /** The host's only agent token from now on: made after the end of its last task, whatever the clock says. */
  putAgent(hash: Buffer, hostId: number, nowMs: number, sealKey: string | undefined): void {
    this.#database
      .prepare(
        `INSERT INTO agent_token (token_hash, host_id, created_ms, seal_key)
         SELECT ?, ?, max(?, 1 + coalesce(max(ended_ms), 0)), ? FROM task WHERE host_id = ?
         ON CONFLICT (host_id) DO UPDATE SET
           token_hash = excluded.token_hash, created_ms = excluded.created_ms, seal_key = excluded.seal_key`,
      )
      .run(hash, hostId, nowMs, sealKey ?? null, hostId);
  }

  sealOf(hostId: number): SealRow | undefined {
    return this.#seal.get(hostId);
  }

  hostOfAgent(hash: Buffer): number | undefined {
    return this.#agentHost.get(hash);
  }
}
