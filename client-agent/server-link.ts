/** The agent's side of the agent API (protocol/agent-api.ts): HTTP with kept-alive connections, errors as the server said them. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import {
  type ChunksAnswer,
  chunksAnswerSchema,
  type Hello,
  type ManifestAnswer,
  manifestAnswerSchema,
  ORDER_WAIT_MS,
  type Order,
  orderSchema,
  type Report,
  type ReportAnswer,
  reportAnswerSchema,
  type Welcome,
  welcomeSchema,
} from '#protocol/agent-api.ts';
import { knownError, readErrorBody } from '#protocol/errors.ts';
import type { HoleSet } from '#protocol/holes.ts';
import { makeSealKeyPair, sealedSecretSchema, unsealSecret } from '#protocol/sealed-secret.ts';
import type { Logger } from '#system/log.ts';

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5000;
/** A connection on which nothing moves for longer than the longest legal wait is dead. */
const SILENCE_MS = ORDER_WAIT_MS + 10_000;
/** Stored chunks are checked and flushed before the answer. */
const UPLOAD_SILENCE_MS = 300_000;

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly type?: 'application/json' | 'application/octet-stream';
  readonly body?: Uint8Array | Readable;
  readonly signal?: AbortSignal | undefined;
  readonly silenceMs?: number;
}

/**
 * One server. Calls throw the KnownError that the server answered, DAEMON_UNREACHABLE, or AbortError. Calls that may be
 * repeated wait for a server that is away for as long as their signal lets them; `report`, `frames` and `chunks` try once.
 */
export class ServerLink {
  readonly #server: string;
  readonly #log: Logger;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  readonly #sealKeys = makeSealKeyPair();
  #agentToken: string | undefined;

  constructor(o: { server: string; log: Logger }) {
    this.#server = o.server;
    this.#log = o.log;
  }

  /** Spends the boot token; later calls use the agent token that it brings. */
  async hello(hello: Hello, signal?: AbortSignal): Promise<Welcome> {
    const body = { ...hello, sealKey: this.#sealKeys.publicKey };
    const welcome = await this.#askAgain(welcomeSchema, { ...jsonCall('POST', '/agent/v1/hello', body), signal });
    this.#agentToken = welcome.agentToken;
    return welcome;
  }

  /** The present order: at once when it is another than `after`, else within ORDER_WAIT_MS. */
  order(after: string, signal: AbortSignal): Promise<Order> {
    return this.#askAgain(orderSchema, {
      method: 'GET',
      path: `/agent/v1/order?after=${encodeURIComponent(after)}`,
      signal,
    });
  }

  async report(report: Report, signal?: AbortSignal): Promise<ReportAnswer> {
    const answer = await this.#send({ ...jsonCall('POST', '/agent/v1/report', report), signal });
    return readJson(reportAnswerSchema, await readBody(answer));
  }

  readManifest(manifestId: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#retry({ method: 'GET', path: `/agent/v1/manifests/${manifestId}`, signal });
  }

  readFinisher(digest: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#retry({ method: 'GET', path: `/agent/v1/finishers/${digest}`, signal });
  }

  /** Throws AGENT_FAILED when it was sealed to another agent. */
  async readSecret(taskId: number, name: string, signal?: AbortSignal): Promise<Buffer> {
    const path = `/agent/v1/tasks/${taskId}/secrets/${encodeURIComponent(name)}`;
    const sealed = await this.#askAgain(sealedSecretSchema, { method: 'GET', path, signal });
    const tokenHash = createHash('sha256')
      .update(this.#agentToken ?? '')
      .digest();
    const secret = unsealSecret(sealed, this.#sealKeys, { tokenHash, taskId, name });
    if (secret === undefined) throw knownError('AGENT_FAILED', { reason: `the secret ${name} is not sealed to it` });
    return secret;
  }

  async putHoles(taskId: number, holes: HoleSet, signal?: AbortSignal): Promise<void> {
    await this.#retry({ ...binaryCall('PUT', `/agent/v1/tasks/${taskId}/holes`, holes.encode()), signal });
  }

  /** The wanted chunks as a stream of frames. The signal also ends a stream that was given out. */
  async frames(taskId: number, wanted: HoleSet, nonce: string, signal: AbortSignal): Promise<Readable> {
    const path = `/agent/v1/tasks/${taskId}/frames?nonce=${nonce}`;
    return this.#send({ ...binaryCall('POST', path, wanted.encode()), signal });
  }

  lacking(taskId: number, ids: Buffer, signal?: AbortSignal): Promise<Buffer> {
    return this.#retry({ ...binaryCall('POST', `/agent/v1/tasks/${taskId}/lacking`, ids), signal });
  }

  async chunks(taskId: number, body: Readable | AsyncIterable<Buffer>, signal?: AbortSignal): Promise<ChunksAnswer> {
    const stream = body instanceof Readable ? body : Readable.from(body, { objectMode: false });
    const call = binaryCall('POST', `/agent/v1/tasks/${taskId}/chunks`, stream);
    const answer = await this.#send({ ...call, signal, silenceMs: UPLOAD_SILENCE_MS });
    return readJson(chunksAnswerSchema, await readBody(answer));
  }

  manifest(taskId: number, bytes: Buffer, signal?: AbortSignal): Promise<ManifestAnswer> {
    const call = binaryCall('PUT', `/agent/v1/tasks/${taskId}/manifest`, bytes);
    return this.#askAgain(manifestAnswerSchema, { ...call, signal, silenceMs: UPLOAD_SILENCE_MS });
  }

  /** Drops every connection. */
  close(): void {
    this.#agent.destroy();
  }

  async #askAgain<T extends TSchema>(schema: T, call: Call): Promise<Static<T>> {
    return readJson(schema, await this.#retry(call));
  }

  #retry(call: Call): Promise<Buffer> {
    return retryWhileAway(async () => readBody(await this.#send(call)), call.signal, this.#log);
  }

  /** One try: the answer, with its body still to be read. */
  async #send(call: Call): Promise<IncomingMessage> {
    const sent = request(new URL(call.path, this.#server), {
      method: call.method,
      agent: this.#agent,
      headers: {
        ...(call.type ? { 'content-type': call.type } : {}),
        ...(call.body instanceof Uint8Array ? { 'content-length': call.body.length } : {}),
        ...(this.#agentToken ? { authorization: `Bearer ${this.#agentToken}` } : {}),
      },
      timeout: call.silenceMs ?? SILENCE_MS,
      ...(call.signal ? { signal: call.signal } : {}),
    });
    sent.on('timeout', () => sent.destroy(new Error('it has been silent for too long')));
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    // A server that refuses an upload answers before it has read it all: then the answer counts, not the broken pipe.
    if (call.body instanceof Readable) pipeline(call.body, sent).catch(() => undefined);
    else sent.end(call.body);
    let answer: IncomingMessage;
    try {
      [answer] = await answered;
    } catch (error) {
      call.signal?.throwIfAborted();
      throw this.#away(error);
    }
    // Without a listener, a connection that breaks while nobody reads would end the process.
    answer.on('error', () => undefined);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw await this.#refusal(status, answer);
  }

  async #refusal(status: number, answer: IncomingMessage): Promise<Error> {
    const text = (await readBody(answer).catch(() => Buffer.alloc(0))).toString();
    const known = readErrorBody(parseJson(text)?.error);
    if (known !== undefined) return known;
    return this.#away(new Error(`HTTP ${status} ${text.slice(0, 200)}`));
  }

  #away(error: unknown): Error {
    const reason = error instanceof Error ? error.message : String(error);
    return knownError('DAEMON_UNREACHABLE', { socket: this.#server, reason }, { cause: error });
  }
}

function jsonCall(method: Call['method'], path: string, value: unknown): Call {
  return { method, path, type: 'application/json', body: Buffer.from(JSON.stringify(value)) };
}

function binaryCall(method: Call['method'], path: string, body: Uint8Array | Readable): Call {
  return { method, path, type: 'application/octet-stream', body };
}

/**
 * Does something again until the server is there: for ever, unless the signal fires. Only the server's absence is waited
 * out; any other error is thrown.
 */
export async function retryWhileAway<T>(
  action: () => Promise<T>,
  signal: AbortSignal | undefined,
  log: Logger,
): Promise<T> {
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_RETRY_MS)) {
    try {
      return await action();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isAway(error)) throw error;
      log.debug({ err: error }, 'the server is away');
      await delay(waitMs, undefined, signal ? { signal } : {});
    }
  }
}

/** Until then the server is as good as away: not reached, its answer broke off, or its disk is full. */
const AWAY_CODES: ReadonlySet<string | undefined> = new Set([
  ...['DAEMON_UNREACHABLE', 'DATABASE_BLOCKED'],
  ...['ECONNRESET', 'EPIPE', 'ETIMEDOUT'],
]);

/** Whether trying again later may help. */
export function isAway(error: unknown): boolean {
  return AWAY_CODES.has((error as NodeJS.ErrnoException).code);
}

async function readBody(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function readJson<T extends TSchema>(schema: T, body: Buffer): Static<T> {
  const value: unknown = parseJson(body.toString());
  if (!Value.Check(schema, value)) {
    throw knownError('AGENT_FAILED', { reason: 'the server gave an answer that this agent does not understand' });
  }
  return value;
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
