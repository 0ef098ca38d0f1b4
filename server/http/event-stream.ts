/**
 * One client of the live event stream (Server-Sent Events, WHATWG HTML 9.2).
 *
 * Audit events are read from the log whenever the client has room, so that nothing piles up for a slow one; a client that takes
 * nothing for a while is cut off and comes back with Last-Event-ID.
 */
import type { ServerResponse } from 'node:http';
import type { EventView } from '#protocol/admin/event-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';

/** Audit events read from the log at a time. */
const PAGE_EVENTS = 100;

export interface EventStreamOptions {
  /** Events after this id; oldest first, at most `limit`. */
  readonly readAfter: (eventId: number, limit: number) => EventView[];
  /** Present: snapshots of one session go into the stream too. */
  readonly readSession?: () => SessionView;
  readonly after: number;
  /** Least time between two snapshots in ms. */
  readonly snapshotMs?: number;
  /** A comment goes out at this interval, so that proxies and clients know that the stream lives. */
  readonly keepAliveMs?: number;
  /** A client that takes nothing for this long is cut off. */
  readonly stuckMs?: number;
}

export class EventStream {
  #response: ServerResponse;
  #options: EventStreamOptions;
  #last: number;
  #snapshotMs: number;
  #stuckMs: number;
  #isBlocked = false;
  #isSnapshotDue: boolean;
  #snapshotTimer: NodeJS.Timeout | undefined;
  #stuckTimer: NodeJS.Timeout | undefined;
  #keepAlive: NodeJS.Timeout;

  constructor(response: ServerResponse, options: EventStreamOptions) {
    this.#response = response;
    this.#options = options;
    this.#last = options.after;
    this.#snapshotMs = options.snapshotMs ?? 500;
    this.#stuckMs = options.stuckMs ?? 30_000;
    this.#isSnapshotDue = options.readSession !== undefined;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.on('drain', () => this.#unblock());
    response.once('close', () => this.#stop());
    this.#keepAlive = setInterval(() => this.#write(': alive\n\n'), options.keepAliveMs ?? 15_000);
    this.#write(': fleetcast\n\n');
    this.#pump();
  }

  /** There are new audit events. */
  noteEvents(): void {
    this.#pump();
  }

  /** The session changed; many calls make few snapshots. */
  noteSession(): void {
    this.#isSnapshotDue = true;
    // Until the next snapshot may go out nothing is to be read: this is called with every report of every agent.
    if (this.#snapshotTimer === undefined) this.#pump();
  }

  /** Ends the stream from the server's side. */
  end(): void {
    this.#response.end();
  }

  #pump(): void {
    while (!this.#isBlocked && !this.#response.destroyed) {
      const page = this.#options.readAfter(this.#last, PAGE_EVENTS);
      if (page.length === 0) break;
      this.#last = page.at(-1)!.eventId;
      this.#write(page.map((event) => message('audit', event, event.eventId)).join(''));
    }
    if (!this.#isBlocked && this.#isSnapshotDue && this.#snapshotTimer === undefined) this.#sendSnapshot();
  }

  #sendSnapshot(): void {
    if (this.#options.readSession === undefined || this.#response.destroyed) return;
    this.#isSnapshotDue = false;
    this.#write(message('session', this.#options.readSession()));
    this.#snapshotTimer = setTimeout(() => {
      this.#snapshotTimer = undefined;
      this.#pump();
    }, this.#snapshotMs);
  }

  #write(text: string): void {
    // Even a comment waits: a stuck client must not gather them.
    if (this.#isBlocked || this.#response.destroyed || this.#response.writableEnded) return;
    if (this.#response.write(text)) return;
    this.#isBlocked = true;
    this.#stuckTimer = setTimeout(() => this.#response.destroy(), this.#stuckMs);
  }

  #unblock(): void {
    this.#isBlocked = false;
    clearTimeout(this.#stuckTimer);
    this.#pump();
  }

  #stop(): void {
    clearInterval(this.#keepAlive);
    clearTimeout(this.#snapshotTimer);
    clearTimeout(this.#stuckTimer);
  }
}

/** One message; JSON has no raw line ends, so one `data:` line carries it. */
function message(event: string, data: unknown, id?: number): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`;
  return `event: ${event}\n${idLine}data: ${JSON.stringify(data)}\n\n`;
}
