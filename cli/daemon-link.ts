/** The admin API over the daemon's unix socket: one call, one connection. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { ACTOR_HEADER } from '#protocol/actor.ts';
import { type KnownError, knownError, readErrorBody } from '#protocol/errors.ts';
import type { AnswerKind, Answers } from './answers.ts';

const BASE = '/api/v1';
/** A daemon that says nothing for so long is not answering, in ms. Calls that work for long have no limit. */
const ANSWER_LIMIT_MS = 60_000;

export interface CallOptions {
  /** Milliseconds; 0: no limit. */
  readonly limitMs?: number;
}

export class DaemonLink {
  readonly socketPath: string;
  readonly #user: string | undefined;

  /** `user`: on whose behalf it calls, for the audit log. */
  constructor(socketPath: string, user?: string) {
    this.socketPath = socketPath;
    this.#user = user;
  }

  /** Throws DAEMON_UNREACHABLE, DENIED, ANSWER_UNREADABLE, or what the daemon answered. */
  get<Kind extends AnswerKind>(kind: Kind, path: string, options: CallOptions = {}): Promise<Answers[Kind]> {
    return this.#call(kind, 'GET', path, undefined, options);
  }
  post<Kind extends AnswerKind>(
    kind: Kind,
    path: string,
    body?: object,
    options: CallOptions = {},
  ): Promise<Answers[Kind]> {
    return this.#call(kind, 'POST', path, body, options);
  }
  async delete(path: string): Promise<void> {
    await this.#call('nothing', 'DELETE', path, undefined, {});
  }

  /** An answer that comes as lines of JSON, each as soon as it is there. */
  async *postForLines<Kind extends AnswerKind>(kind: Kind, path: string, body?: object): AsyncGenerator<Answers[Kind]> {
    const headers = headersOf(body);
    const response = await this.#send('POST', path, headers, body && JSON.stringify(body), {});
    try {
      for await (const line of createInterface({ input: response })) {
        if (line !== '') yield await this.checked(kind, line);
      }
    } catch (error) {
      throw isOurs(error) ? error : this.#unreachable(error);
    } finally {
      response.destroy();
    }
  }

  /** An answer whose body the caller reads: the event stream. Ends when the signal fires. */
  open(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#send('GET', path, headers, undefined, { signal });
  }

  /** Parses and checks one JSON text of the daemon. Throws ANSWER_UNREADABLE. */
  async checked<Kind extends AnswerKind>(kind: Kind, text: string): Promise<Answers[Kind]> {
    const value = parseJson(text);
    if (value === undefined) throw this.#unreadable(text === '' ? 'it is empty' : 'it is not JSON');
    const { problemOf } = await import('./answers.ts');
    const problem = problemOf(kind, value);
    if (problem !== undefined) throw this.#unreadable(problem);
    return value as Answers[Kind];
  }

  async #call<Kind extends AnswerKind>(
    kind: Kind,
    method: string,
    path: string,
    body: object | undefined,
    options: CallOptions,
  ): Promise<Answers[Kind]> {
    const response = await this.#send(method, path, headersOf(body), body && JSON.stringify(body), {
      limitMs: options.limitMs ?? ANSWER_LIMIT_MS,
    });
    const text = await this.#readAll(response);
    return kind === 'nothing' ? (undefined as Answers[Kind]) : this.checked(kind, text);
  }

  async #send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string | undefined,
    options: { limitMs?: number; signal?: AbortSignal },
  ): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(
        {
          socketPath: this.socketPath,
          method,
          path,
          headers: this.#user === undefined ? headers : { ...headers, [ACTOR_HEADER]: this.#user },
          agent: new Agent({ keepAlive: false }),
          ...(options.signal ? { signal: options.signal } : {}),
        },
        resolve,
      );
      call.on('error', (error) => reject(this.#unreachable(error)));
      const limitMs = options.limitMs ?? 0;
      if (limitMs > 0) {
        call.setTimeout(limitMs, () => call.destroy(new Error(`it said nothing for ${limitMs / 1000} s`)));
      }
      call.end(body);
    });
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const text = await this.#readAll(response);
    const answer = parseJson(text) as { error?: unknown } | undefined;
    throw readErrorBody(answer?.error) ?? this.#unreadable(`HTTP status ${status} without a known error`);
  }

  async #readAll(response: IncomingMessage): Promise<string> {
    const parts: Buffer[] = [];
    try {
      for await (const part of response) parts.push(part as Buffer);
    } catch (error) {
      throw this.#unreachable(error);
    }
    return Buffer.concat(parts).toString();
  }

  #unreadable(problem: string): KnownError {
    return knownError('ANSWER_UNREADABLE', { socket: this.socketPath, problem });
  }

  #unreachable(error: unknown): KnownError {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') {
      return knownError('DENIED', { reason: `no permission to use the socket ${this.socketPath}` }, { cause: error });
    }
    const reason = (code !== undefined && reasons[code]) || message;
    return knownError('DAEMON_UNREACHABLE', { socket: this.socketPath, reason }, { cause: error });
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ENOTDIR: 'there is no such socket',
  ECONNREFUSED: 'nothing listens there any more',
  ECONNRESET: 'it closed the connection in the middle',
  ENOTSOCK: 'it is not a socket',
};

/** A path of the admin API with every value escaped: `` apiPath`/hosts/${name}` `` is `/api/v1/hosts/…`. */
export function apiPath(texts: TemplateStringsArray, ...values: (string | number)[]): string {
  return BASE + texts.reduce((path, text, i) => `${path}${encodeURIComponent(String(values[i - 1]))}${text}`);
}

function headersOf(body: object | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-type': 'application/json' };
}

function isOurs(error: unknown): boolean {
  return error instanceof Error && error.name === 'KnownError';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
