/** How lately the agents of hosts spoke: exactly while the daemon runs, to some seconds after one that was killed. */
import type { Clock } from '#system/clock.ts';
import type { Database } from '../db/database.ts';
import type { HostRow, HostTable } from '../db/host-table.ts';

/** When hosts have last spoken is written to the database this often, in ms. A daemon that is killed knows that much less. */
const SEEN_WRITE_MS = 5000;

export interface HostPresenceOptions {
  readonly database: Database;
  readonly table: HostTable;
  readonly clock: Clock;
  /** A host is here while its agent spoke within this time. */
  readonly lostAfterMs: number;
}

export class HostPresence {
  #options: HostPresenceOptions;
  #seenMs = new Map<number, number>();
  /** Hosts that have spoken since `#writtenMs`. */
  #unwritten = new Set<number>();
  #writtenMs = 0;

  constructor(options: HostPresenceOptions) {
    this.#options = options;
  }

  /** Its agent speaks now. Cheap: called with every call of every agent. */
  noteSeen(hostId: number): void {
    const nowMs = this.#options.clock.nowMs();
    this.#seenMs.set(hostId, nowMs);
    this.#unwritten.add(hostId);
    if (nowMs - this.#writtenMs >= SEEN_WRITE_MS) this.write();
  }

  /** Writes down when the agents have spoken, all in one transaction. May be repeated. */
  write(): void {
    const { database, table, clock } = this.#options;
    this.#writtenMs = clock.nowMs();
    const hostIds = [...this.#unwritten];
    this.#unwritten.clear();
    database.transaction(() => {
      for (const hostId of hostIds) table.setSeen(hostId, this.#seenMs.get(hostId)!);
    })();
  }

  forget(hostId: number): void {
    this.#seenMs.delete(hostId);
    this.#unwritten.delete(hostId);
  }

  /** When its agent last spoke. Cheap: asked of every host of a session every second. */
  lastSeenMs(hostId: number, row?: HostRow): number | undefined {
    const known = this.#seenMs.get(hostId);
    if (known !== undefined) return known;
    const storedMs = (row ?? this.#options.table.byId(hostId))?.last_seen_ms ?? undefined;
    if (storedMs !== undefined) this.#seenMs.set(hostId, storedMs);
    return storedMs;
  }

  isHere(seenMs: number | undefined): boolean {
    const { clock, lostAfterMs } = this.#options;
    return seenMs !== undefined && clock.nowMs() - seenMs <= lostAfterMs;
  }
}
