/** SQL of the audit log. */
import type { EventView } from '#protocol/admin/event-api.ts';
import type { ErrorBody } from '#protocol/errors.ts';
import type { Database } from './database.ts';

export interface NewEvent {
  /** host, group, image, session, task, cast, schedule, daemon */
  readonly subject: string;
  /** A word for programs. */
  readonly action: string;
  /** One sentence for people. */
  readonly text: string;
  readonly sessionId?: number | undefined;
  readonly hostId?: number | undefined;
  readonly host?: string | undefined;
  readonly error?: ErrorBody | undefined;
  /** On whose behalf; absent: it happened by itself. */
  readonly actor?: string | undefined;
}

export interface EventQuery {
  readonly sessionId?: number | undefined;
  readonly hostId?: number | undefined;
  readonly actor?: string | undefined;
  /** Only events with a greater id. */
  readonly after?: number | undefined;
  /** At most so many. Default 200. */
  readonly limit?: number | undefined;
}

interface EventRow {
  readonly event_id: number;
  readonly at_ms: number;
  readonly subject: string;
  readonly action: string;
  readonly session_id: number | null;
  readonly host_id: number | null;
  readonly host: string | null;
  readonly text: string;
  readonly error: string | null;
  readonly actor: string | null;
}

const DEFAULT_LIMIT = 200;

export class EventTable {
  #database: Database;
  #insert;

  constructor(database: Database) {
    this.#database = database;
    this.#insert = database.prepare<unknown[], EventRow>(
      `INSERT INTO event (at_ms, subject, action, session_id, host_id, host, text, error, actor)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
    );
  }

  insert(event: NewEvent, atMs: number): EventView {
    const row = this.#insert.get(
      atMs,
      event.subject,
      event.action,
      event.sessionId ?? null,
      event.hostId ?? null,
      event.host ?? null,
      event.text,
      event.error === undefined ? null : JSON.stringify(event.error),
      event.actor ?? null,
    );
    return toView(row!);
  }

  /** Oldest first: with `after` the ones next to it, else the newest. */
  list(query: EventQuery): EventView[] {
    const conditions: string[] = [];
    const values: (number | string)[] = [];
    const want = (condition: string, value: number | string | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    want('session_id = ?', query.sessionId);
    want('host_id = ?', query.hostId);
    want('actor = ?', query.actor);
    want('event_id > ?', query.after);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const order = query.after === undefined ? 'DESC' : 'ASC';
    const rows = this.#database
      .prepare<unknown[], EventRow>(`SELECT * FROM event ${where} ORDER BY event_id ${order} LIMIT ?`)
      .all(...values, query.limit ?? DEFAULT_LIMIT)
      .map(toView);
    return query.after === undefined ? rows.reverse() : rows;
  }

  /** 0 when there is none. */
  lastId(): number {
    return this.#database.prepare<[], number>('SELECT coalesce(max(event_id), 0) FROM event').pluck().get()!;
  }
}

function toView(row: EventRow): EventView {
  return {
    eventId: row.event_id,
    atMs: row.at_ms,
    subject: row.subject,
    action: row.action,
    ...(row.session_id === null ? {} : { sessionId: row.session_id }),
    ...(row.host_id === null ? {} : { hostId: row.host_id }),
    ...(row.host === null ? {} : { host: row.host }),
    text: row.text,
    ...(row.error === null ? {} : { error: JSON.parse(row.error) as ErrorBody }),
    ...(row.actor === null ? {} : { actor: row.actor }),
  };
}
