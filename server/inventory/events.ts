/** The audit log: what happened to hosts, images and sessions, in one sentence each. */
import type { EventView } from '#protocol/admin/event-api.ts';
import type { Clock } from '#system/clock.ts';
import type { Database } from '../db/database.ts';
import { type EventQuery, EventTable, type NewEvent } from '../db/event-table.ts';
import { presentActor } from './actor.ts';

export type { EventQuery, NewEvent };

export class EventLog {
  #table: EventTable;
  #clock: Clock;
  #listeners = new Set<(event: EventView) => void>();
  #told: number;
  #isTelling = false;

  constructor(database: Database, clock: Clock) {
    this.#table = new EventTable(database);
    this.#clock = clock;
    this.#told = this.#table.lastId();
  }

  /** Notes on whose behalf it happens. May be called inside a transaction: listeners hear of it only when it is committed. */
  add(event: NewEvent): EventView {
    const view = this.#table.insert({ actor: presentActor(), ...event }, this.#clock.nowMs());
    if (!this.#isTelling && this.#listeners.size > 0) {
      this.#isTelling = true;
      // Transactions are synchronous, so this runs after the commit or the roll-back of the one we may be in.
      queueMicrotask(() => this.#tell());
    }
    return view;
  }

  /** Oldest first. Without `after` the newest `limit` (default 200) of them. */
  list(query: EventQuery = {}): EventView[] {
    return this.#table.list(query);
  }

  /** Of the newest event; 0 when there is none. */
  lastId(): number {
    return this.#table.lastId();
  }

  /** Calls the listener with every event from now on, in order; returns how to stop. */
  onEvent(listener: (event: EventView) => void): () => void {
    if (this.#listeners.size === 0) this.#told = this.#table.lastId();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads from the table what is committed, so that an event rolled back with its transaction is never told. */
  #tell(): void {
    this.#isTelling = false;
    for (const event of this.#table.list({ after: this.#told, limit: Number.MAX_SAFE_INTEGER })) {
      this.#told = event.eventId;
      for (const listener of [...this.#listeners]) listener(event);
    }
  }
}
