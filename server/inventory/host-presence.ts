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
  /** When they last spoke: as people read it, and by the steady clock. */
  #seenMs = new Map<number, number>();
  #heardMs = new Map<number, number>();
  /** Hosts that have spoken since `#writtenMs`. */
  #unwritten = new Set<number>();
  #writtenMs = 0;

  constructor(options: HostPresenceOptions) {
    this.#options = options;
  }

  /** Its agent speaks now. Cheap: called with every call of every agent. */
  noteSeen(hostId: number): void {
    const { clock } = this.#options;
    const steadyMs = clock.steadyMs();
    this.#heardMs.set(hostId, steadyMs);
    this.#seenMs.set(hostId, clock.nowMs());
    this.#unwritten.add(hostId);
    if (steadyMs - this.#writtenMs >= SEEN_WRITE_MS) this.write();
  }

  /** Writes down when the agents have spoken, all in one transaction. May be repeated. */
  write(): void {
    const { database, table, clock } = this.#options;
    this.#writtenMs = clock.steadyMs();
    const hostIds = [...this.#unwritten];
    this.#unwritten.clear();
    database.transaction(() => {
      for (const hostId of hostIds) table.setSeen(hostId, this.#seenMs.get(hostId)!);
    })();
  }

  forget(hostId: number): void {
    this.#seenMs.delete(hostId);
    this.#heardMs.delete(hostId);
    this.#unwritten.delete(hostId);
  }

  /** When its agent last spoke, for people. */
  lastSeenMs({ host_id, last_seen_ms }: HostRow): number | undefined {
    return this.#seenMs.get(host_id) ?? last_seen_ms ?? undefined;
  }

  /** How long its agent has said nothing, in ms; undefined: it never spoke. Cheap: asked of every host of a session every second. */
  silentMs(hostId: number): number | undefined {
    const { clock, table } = this.#options;
    const steadyMs = clock.steadyMs();
    const known = this.#heardMs.get(hostId);
    if (known !== undefined) return steadyMs - known;
    const storedMs = table.byId(hostId)?.last_seen_ms ?? undefined;
    if (storedMs === undefined) return undefined;
    const silentMs = Math.max(0, clock.nowMs() - storedMs);
    this.#heardMs.set(hostId, steadyMs - silentMs);
    return silentMs;
  }

  isHere(hostId: number): boolean {
    const silentMs = this.silentMs(hostId);
    return silentMs !== undefined && silentMs <= this.#options.lostAfterMs;
  }
}
