/** A small admin API on a unix socket that says what a test tells it to, and only what the schemas allow. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { type AnswerKind, type Answers, problemOf } from '#cli/answers.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { errorTable, KnownError, knownError } from '#protocol/errors.ts';

export interface Call {
  readonly method: string;
  /** Below /api/v1, query included. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

type Handler = (call: Call, response: ServerResponse) => void;

export class FakeDaemon {
  readonly socket: string;
  readonly calls: Call[] = [];
  #routes = new Map<string, Handler>();
  #server: Server | undefined;
  #streams = new Set<ServerResponse>();
  #waiting: (() => void)[] = [];

  private constructor(socket: string) {
    this.socket = socket;
  }

  /** Ends with the test. */
  static async start(t: TestContext): Promise<FakeDaemon> {
    const dir = await mkdtemp(join(tmpdir(), 'fc-cli-'));
    const daemon = new FakeDaemon(join(dir, 'admin.sock'));
    await daemon.listen();
    t.after(async () => {
      await daemon.die();
      await rm(dir, { recursive: true, force: true });
    });
    return daemon;
  }

  listen(): Promise<void> {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    return new Promise((resolve) => this.#server!.listen(this.socket, resolve));
  }

  /** As SIGKILL would: every connection is cut, the socket file goes with the server. */
  async die(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#streams.clear();
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  /** `route` is like `GET /hosts`; the query does not count. */
  on<Kind extends AnswerKind>(route: string, kind: Kind, answer: (call: Call) => Answers[Kind]): this {
    this.#routes.set(route, (call, response) => {
      const value = answer(call);
      const problem = problemOf(kind, value);
      if (problem !== undefined) throw new Error(`the test answers ${route} with something else: ${problem}`);
      if (kind === 'nothing') response.writeHead(204).end();
      else response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
    });
    return this;
  }

  onRaw(route: string, handler: Handler): this {
    this.#routes.set(route, handler);
    return this;
  }

  routeOf(route: string): Handler {
    return this.#routes.get(route)!;
  }

  /** GET /events with follow=1 stays open; `send` writes to all that are open. */
  onStream(): this {
    return this.onRaw('GET /events', (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': hello\n\n');
      this.#streams.add(response);
      response.on('close', () => this.#streams.delete(response));
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** Resolves when somebody follows the stream. */
  async followed(): Promise<void> {
    while (this.#streams.size === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  send(event: string, data: unknown, id?: number): void {
    const idLine = id === undefined ? '' : `id: ${id}\n`;
    for (const stream of this.#streams) stream.write(`event: ${event}\n${idLine}data: ${JSON.stringify(data)}\n\n`);
  }

  sendSession(view: SessionView): void {
    const problem = problemOf('session', view);
    if (problem !== undefined) throw new Error(`the test sends something else: ${problem}`);
    this.send('session', view);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? '';
    const path = (request.url ?? '').replace(/^\/api\/v1/, '');
    const text = await readText(request);
    const call = { method, path, headers: request.headers, body: text === '' ? undefined : JSON.parse(text) };
    this.calls.push(call);
    const route = this.#routes.get(`${method} ${path.replace(/\?.*/, '')}`);
    try {
      if (!route) throw knownError('NOT_FOUND', { method, path });
      route(call, response);
    } catch (error) {
      const known = error instanceof KnownError ? error : knownError('INTERNAL', { logId: String(error) });
      response.writeHead(errorTable[known.code].status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: known.toBody() }));
    }
  }
}
