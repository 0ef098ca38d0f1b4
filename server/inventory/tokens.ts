/** The tokens by which hosts are known: a boot token is good for one hello, an agent token until the next. */
import { createHash, randomBytes } from 'node:crypto';
import { knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { Database } from '../db/database.ts';
import type { KeptClock } from '../db/kept-clock.ts';
import { type BootTokenRow, TokenTable } from '../db/token-table.ts';
import type { EventLog } from './events.ts';
import type { Hosts } from './hosts.ts';
import { isSameSystem } from './system-uuid.ts';

const TOKEN_BYTES = 32;
/** A token stays this long after its end, so that its use is still known for what it is. */
const KEEP_EXPIRED_MS = 24 * 3600 * 1000;

/** What a machine says of itself. */
export interface MachineIdentity {
  /** Lower case with colons. */
  readonly mac: string;
  readonly systemUuid?: string | undefined;
}

export class Tokens {
  #database: Database;
  #table: TokenTable;
  #hosts: Hosts;
  #events: EventLog;
  #clock: Clock;
  #kept: KeptClock;
  #bootTokenMs: number;

  constructor(options: {
    database: Database;
    hosts: Hosts;
    events: EventLog;
    clock: Clock;
    /** Boot tokens end by it. */
    kept: KeptClock;
    bootTokenMs: number;
  }) {
    this.#database = options.database;
    this.#table = new TokenTable(options.database);
    this.#hosts = options.hosts;
    this.#events = options.events;
    this.#clock = options.clock;
    this.#kept = options.kept;
    this.#bootTokenMs = options.bootTokenMs;
  }

  /** A new boot token for this host and machine: 43 characters of base64url. */
  issueBoot(hostId: number, machine: MachineIdentity): string {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#table.removeBootExpiredBefore(this.#kept.keptMs() - KEEP_EXPIRED_MS);
    this.#table.insertBoot(hashOf(token), {
      host_id: hostId,
      mac: machine.mac,
      system_uuid: machine.systemUuid ?? null,
      expires_ms: this.#kept.endOf(this.#bootTokenMs),
    });
    return token;
  }

  /** Spends the boot token of the machine's hello: answers its host and the host's new agent token. Throws TOKEN_REFUSED. */
  spendBoot(bootToken: string, machine: MachineIdentity, sealKey?: string): { hostId: number; agentToken: string } {
    const hash = hashOf(bootToken);
    const row = this.#table.findBoot(hash);
    const nowMs = this.#clock.nowMs();
    const reason = row === undefined ? 'it is unknown' : reasonToRefuse(row, machine, this.#kept.keptMs());
    if (reason !== undefined) {
      if (row !== undefined) this.#noteRefused(row, machine, reason);
      throw knownError('TOKEN_REFUSED', { reason });
    }
    const agentToken = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#database.transaction(() => {
      this.#table.spendBoot(hash, nowMs);
      this.#table.putAgent(hashOf(agentToken), row!.host_id, nowMs, sealKey);
    })();
    return { hostId: row!.host_id, agentToken };
  }

  /** The host whose agent this is; undefined when it is nobody's. */
  hostOfAgent(agentToken: string): number | undefined {
    return this.#table.hostOfAgent(hashOf(agentToken));
  }

  /** The key that the host's agent said in its hello, and the hash of its token; undefined: it said none. */
  sealOf(hostId: number): { sealKey: string; tokenHash: Buffer } | undefined {
    const row = this.#table.sealOf(hostId);
    return row?.seal_key ? { sealKey: row.seal_key, tokenHash: row.token_hash } : undefined;
  }

  #noteRefused(row: BootTokenRow, machine: MachineIdentity, reason: string): void {
    const host = this.#hosts.byId(row.host_id);
    const action = row.spent_ms === null ? 'token-refused' : 'token-reused';
    const text = `A boot token of ${host?.name ?? 'a removed host'} was refused for ${machine.mac}: ${reason}`;
    this.#events.add({ subject: 'host', action, text, hostId: row.host_id, host: host?.name });
  }
}

function reasonToRefuse(row: BootTokenRow, machine: MachineIdentity, keptMs: number): string | undefined {
  if (row.spent_ms !== null) return 'it has been used already';
  if (row.expires_ms <= keptMs) return 'it has expired';
  if (row.mac !== machine.mac) return 'it was made for another machine (MAC)';
  if (!isSameSystem(row.system_uuid ?? undefined, machine.systemUuid)) {
    return 'it was made for another machine (system UUID)';
  }
  return undefined;
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
