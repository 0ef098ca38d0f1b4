/** The daemon's event stream (Server-Sent Events), followed across restarts of the daemon. */
import { StringDecoder } from 'node:string_decoder';
import { KnownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { DaemonLink } from './daemon-link.ts';

/** One message of the stream. `id` is set when the message can be resumed after. */
export interface StreamMessage {
  readonly event: string;
  readonly data: string;
  readonly id?: string;
}

/** Turns the bytes of a `text/event-stream` into messages (WHATWG HTML, section 9.2.6). */
export class EventStreamParser {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id: string | undefined;

  push(bytes: Buffer): StreamMessage[] {
    this.#rest += this.#decoder.write(bytes);
    const messages: StreamMessage[] = [];
    // A CR at the very end may be the first half of CR LF.
    for (let match = lineEnd(this.#rest); match; match = lineEnd(this.#rest)) {
      const line = this.#rest.slice(0, match.index);
      this.#rest = this.#rest.slice(match.index + match[0].length);
      const message = this.#takeLine(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #takeLine(line: string): StreamMessage | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    return undefined;
  }

  #dispatch(): StreamMessage | undefined {
    const [event, data, id] = [this.#event || 'message', this.#data, this.#id];
    this.#event = '';
    this.#data = [];
    this.#id = undefined;
    if (data.length === 0) return undefined;
    return { event, data: data.join('\n'), ...(id === undefined ? {} : { id }) };
  }
}

function lineEnd(text: string): RegExpExecArray | null {
  return /\r\n|\n|\r(?!$)/.exec(text);
}

export type StreamItem =
  | { readonly kind: 'connected' }
  /** The daemon cannot be reached; said once until it is back. */
  | { readonly kind: 'away' }
  | { readonly kind: 'message'; readonly message: StreamMessage };

/** First and longest wait before the next try to connect, in ms. */
const RETRY_MS = 500;
const RETRY_MOST_MS = 2000;

/**
 * Follows a stream until the signal fires. The first connection must work (DAEMON_UNREACHABLE otherwise); later it waits for the
 * daemon for ever and resumes after the last message that had an id. Throws what the daemon refuses (SESSION_UNKNOWN …).
 */
export async function* followStream(o: {
  link: DaemonLink;
  path: string;
  after?: string;
  clock: Clock;
  signal: AbortSignal;
}): AsyncGenerator<StreamItem> {
  let lastId = o.after;
  let wasConnected = false;
  let isAway = false;
  let waitMs = RETRY_MS;
  while (!o.signal.aborted) {
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== undefined) headers['last-event-id'] = lastId;
      const response = await o.link.open(o.path, headers, o.signal);
      wasConnected = true;
      isAway = false;
      waitMs = RETRY_MS;
      yield { kind: 'connected' };
      const parser = new EventStreamParser();
      for await (const bytes of response) {
        for (const message of parser.push(bytes as Buffer)) {
          lastId = message.id ?? lastId;
          yield { kind: 'message', message };
        }
      }
    } catch (error) {
      if (o.signal.aborted) return;
      if (!wasConnected || isRefusal(error)) throw error;
    }
    if (o.signal.aborted) return;
    if (!isAway) yield { kind: 'away' };
    isAway = true;
    await o.clock.sleep(waitMs, o.signal).catch(() => undefined);
    waitMs = Math.min(RETRY_MOST_MS, waitMs * 2);
  }
}

/** An answer that will not change by waiting; anything else (connection lost, a daemon that is just coming up) may. */
function isRefusal(error: unknown): boolean {
  return error instanceof KnownError && error.status < 500;
}
