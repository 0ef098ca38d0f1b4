/** Sends stored chunks to the server in disk order, as calls of bounded size, so that little is lost when one breaks. */
import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import type { ChunksAnswer } from '#protocol/agent-api.ts';
import { KnownError } from '#protocol/errors.ts';

/** A call ends when it has carried this much, or lasted this long: a server may end a call that takes minutes. */
const CALL_BYTES = 64 * 1024 * 1024;
const CALL_MS = 20_000;
/** Bytes that wait in a call's stream before the capture is held back. */
const QUEUE_BYTES = 4 * 1024 * 1024;
/** Calls whose answer is not there yet, beside the one that is being sent: the server verifies while we go on. */
const MAX_UNANSWERED = 1;

/** The server was away, or the stream broke on the way. */
const passingErrors: ReadonlySet<string> = new Set(['DAEMON_UNREACHABLE', 'STREAM_CORRUPT']);

interface Call {
  readonly body: PassThrough;
  readonly answer: Promise<ChunksAnswer>;
  readonly startedMs: number;
  bytes: number;
}

export class Uploads {
  readonly #send: (body: Readable) => Promise<ChunksAnswer>;
  readonly #nowMs: () => number;
  #call: Call | undefined;
  #unanswered: Promise<void>[] = [];
  #sentBytes = 0;
  #brokenCalls = 0;

  constructor(send: (body: Readable) => Promise<ChunksAnswer>, nowMs: () => number) {
    this.#send = send;
    this.#nowMs = nowMs;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Calls that ended without the server's word: their chunks may or may not be there. */
  get brokenCalls(): number {
    return this.#brokenCalls;
  }

  /** Sends whole stored chunks; resolves when the stream has room again. Throws what the server refuses (STORE_FULL, CHUNK_CORRUPT …). */
  async write(chunks: Buffer): Promise<void> {
    this.#call ??= this.#begin();
    const call = this.#call;
    this.#sentBytes += chunks.length;
    call.bytes += chunks.length;
    if (!call.body.write(chunks)) await Promise.race([once(call.body, 'drain').catch(() => {}), settled(call.answer)]);
    if (call.body.destroyed || call.bytes >= CALL_BYTES || this.#nowMs() - call.startedMs >= CALL_MS) await this.#end();
  }

  /** Ends a call that has become old while nothing was to be sent. */
  async rest(): Promise<void> {
    if (this.#call !== undefined && this.#nowMs() - this.#call.startedMs >= CALL_MS) await this.#end();
  }

  /** Ends the last call and waits for every answer. */
  async finish(): Promise<void> {
    await this.#end(0);
  }

  /** Breaks the calls off. */
  abort(reason: Error): void {
    this.#call?.body.destroy(reason);
    for (const answer of this.#unanswered) answer.catch(() => {});
  }

  #begin(): Call {
    const body = new PassThrough({ highWaterMark: QUEUE_BYTES });
    // A broken stream shows in the call's answer.
    body.on('error', () => {});
    const answer = this.#send(body);
    answer.catch(() => body.destroy());
    return { body, answer, startedMs: this.#nowMs(), bytes: 0 };
  }

  async #end(unanswered = MAX_UNANSWERED): Promise<void> {
    if (this.#call !== undefined) {
      this.#call.body.end();
      const answer = this.#judge(this.#call.answer);
      answer.catch(() => {});
      this.#unanswered.push(answer);
      this.#call = undefined;
    }
    while (this.#unanswered.length > unanswered) await this.#unanswered.shift();
  }

  /** What the server says is final; that it was not there is not: what is lacking is asked at the end of the pass. */
  async #judge(answer: Promise<ChunksAnswer>): Promise<void> {
    try {
      await answer;
    } catch (error) {
      if (error instanceof KnownError && !passingErrors.has(error.code)) throw error;
      this.#brokenCalls++;
    }
  }
}

function settled(promise: Promise<unknown>): Promise<void> {
  return promise.then(
    () => {},
    () => {},
  );
}
