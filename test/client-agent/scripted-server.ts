/** A server of the agent API that says what a test tells it to, over real HTTP. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Order, Report } from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';

const BOOT_TOKEN = 'boot-token';
const AGENT_TOKEN = 'agent-token';

/** An order without its rev; `Omit` alone would melt the union. */
type OrderContent<T = Order> = T extends Order ? Omit<T, 'rev'> : never;

interface Script {
  readonly manifestBytes: Buffer;
  readonly chunkCount: number;
  makeFrames(wanted: HoleSet, nonce: Buffer): Buffer;
}

export class ScriptedServer {
  readonly bootToken = BOOT_TOKEN;
  readonly reports: Report[] = [];
  /** Last holes that were put. */
  holes: HoleSet | undefined;
  /** Set to refuse every token. */
  refusesTokens = false;
  readonly #http: Server;
  readonly #manifestBytes: Buffer;
  readonly #chunkCount: number;
  readonly #makeFrames: (wanted: HoleSet, nonce: Buffer) => Buffer;
  #order: Order = { kind: 'wait', rev: '0' };
  #orders = 0;
  #onOrder: (() => void)[] = [];
  #onReport: (() => void)[] = [];

  private constructor(o: Script) {
    this.#manifestBytes = o.manifestBytes;
    this.#chunkCount = o.chunkCount;
    this.#makeFrames = o.makeFrames;
    this.#http = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(o: Script & { address: string; port?: number }): Promise<ScriptedServer> {
    const server = new ScriptedServer(o);
    server.#http.listen(o.port ?? 0, o.address);
    await once(server.#http, 'listening');
    return server;
  }

  get url(): string {
    const { address, port } = this.#http.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  /** Gives a new order and waits for the first report about it that is not `working`. */
  async tell(content: OrderContent): Promise<Report> {
    const { rev } = this.give(content);
    return this.reported((report) => report.rev === rev && report.status !== 'working');
  }

  give(content: OrderContent): Order {
    this.#order = { ...content, rev: String(++this.#orders) } as Order;
    for (const wake of this.#onOrder.splice(0)) wake();
    return this.#order;
  }

  async reported(matches: (report: Report) => boolean): Promise<Report> {
    for (;;) {
      const found = this.reports.find(matches);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#onReport.push(resolve));
    }
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    const url = new URL(request.url ?? '', 'http://server');
    const json = (value: unknown, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    const isHello = url.pathname === '/agent/v1/hello';
    if (this.refusesTokens || (!isHello && request.headers.authorization !== `Bearer ${AGENT_TOKEN}`)) {
      return json({ error: knownError('TOKEN_REFUSED', { reason: 'it is spent' }).toBody() }, 401);
    }
    if (isHello) return json({ agentToken: AGENT_TOKEN, hostId: 1, hostName: 'pc-1' });
    if (url.pathname === '/agent/v1/order') {
      if (url.searchParams.get('after') === this.#order.rev) {
        await new Promise<void>((resolve) => this.#onOrder.push(resolve));
      }
      return json(this.#order);
    }
    if (url.pathname === '/agent/v1/report') {
      this.reports.push(JSON.parse(body.toString()) as Report);
      for (const wake of this.#onReport.splice(0)) wake();
      return json({ rev: this.#order.rev });
    }
    if (url.pathname.startsWith('/agent/v1/manifests/')) return void response.end(this.#manifestBytes);
    if (url.pathname.endsWith('/holes')) {
      this.holes = HoleSet.decode(body, this.#chunkCount);
      return void response.writeHead(204).end();
    }
    if (url.pathname.endsWith('/frames')) {
      const nonce = Buffer.from(url.searchParams.get('nonce') ?? '', 'hex');
      return void response.end(this.#makeFrames(HoleSet.decode(body, this.#chunkCount)!, nonce));
    }
    json({ error: knownError('NOT_FOUND', { method: request.method ?? '', path: url.pathname }).toBody() }, 404);
  }
}
