/** The TFTP server: listens on port 69 of one address and gives every transfer a socket of its own (RFC 1350 §4). Read-only. */
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Logger } from '#system/log.ts';
import { openSocket } from '../device-socket.ts';
import { plainName, type TftpFiles, type TftpSource } from './files.ts';
import { decodeTftp, encodeError, errorCode, type TftpFault, type TftpPacket } from './packet.ts';
import { sendFile, type TransferEnd, type TransferOutcome } from './sender.ts';

export const TFTP_PORT = 69;
/** A request beyond it is not answered: the client asks again by itself some seconds later. */
const MAX_TRANSFERS = 512;
/** Of one client address. Firmware asks for one file after another; a forged flood must not use up every place. */
const DEFAULT_MAX_EACH = 8;

export interface TftpOptions {
  /** The server's own address; answers come from it. */
  readonly address: string;
  readonly files: TftpFiles;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Default 69. */
  readonly port?: number;
  /** Transfers of one client address at a time. Default 8. */
  readonly maxEach?: number;
  readonly onEnd?: (end: FinishedTransfer) => void;
}

export interface FinishedTransfer extends TransferEnd {
  readonly name: string;
  readonly client: string;
  readonly tookMs: number;
}

interface Running {
  readonly client: RemoteInfo;
  /** The request as it came, to know it again. */
  readonly request: Buffer;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

type Count =
  | TransferOutcome
  | TftpFault
  | 'stray'
  | 'doubled-request'
  | 'too-many'
  | 'write-refused'
  | 'mode-refused'
  | 'unknown-file';

type ReadRequest = Extract<TftpPacket, { mode: string }>;

export class TftpServer {
  readonly #options: TftpOptions;
  readonly #socket: Socket;
  readonly #counts = new Map<Count, number>();
  /** By address and port of the client. */
  readonly #running = new Map<string, Running>();
  #isStopped = false;

  private constructor(options: TftpOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    socket.on('error', (error) => options.log.warn({ err: error }, 'tftp: socket error'));
    socket.on('message', (bytes, source) => this.#receive(bytes, source));
  }

  /** Throws BOOT_PORT_TAKEN, BOOT_PORT_DENIED. */
  static async start(options: TftpOptions): Promise<TftpServer> {
    return new TftpServer(options, await openSocket({ address: options.address, port: options.port ?? TFTP_PORT }));
  }

  /** Ends what runs, silently. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#socket.close();
    const running = [...this.#running.values()];
    for (const transfer of running) transfer.abort.abort();
    await Promise.all(running.map((transfer) => transfer.done));
  }

  /** How many requests met each end. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  #receive(bytes: Buffer, source: RemoteInfo): void {
    const packet = decodeTftp(bytes);
    if (typeof packet === 'string') this.#count(packet);
    else if (packet.kind === 'read') this.#takeRequest(packet, bytes, source);
    else if (packet.kind === 'write') this.#refuse(source, errorCode.accessViolation, 'read-only', 'write-refused');
    else this.#count('stray');
  }

  #takeRequest(packet: ReadRequest, bytes: Buffer, source: RemoteInfo): void {
    // netascii would change the bytes of a boot loader; RFC 1350's "mail" is obsolete.
    if (packet.mode !== 'octet') {
      this.#refuse(source, errorCode.notDefined, 'only mode octet is served', 'mode-refused');
      return;
    }
    const name = plainName(packet.name);
    const file = this.#options.files.find(name, source.address);
    if (file === undefined) {
      this.#options.log.debug({ client: source.address, name }, 'tftp: no such file');
      this.#refuse(source, errorCode.fileNotFound, 'no such file', 'unknown-file');
      return;
    }
    this.#begin(name, file, packet.options, bytes, source);
  }

  #begin(
    name: string,
    source: TftpSource,
    asked: ReadonlyMap<string, string>,
    request: Buffer,
    client: RemoteInfo,
  ): void {
    const key = `${client.address}:${client.port}`;
    const known = this.#running.get(key);
    // The network doubled the request, or its answer was lost: the transfer's own timer repeats that answer.
    if (known?.request.equals(request)) {
      this.#count('doubled-request');
      return;
    }
    known?.abort.abort();
    const maxEach = this.#options.maxEach ?? DEFAULT_MAX_EACH;
    if (this.#running.size >= MAX_TRANSFERS || this.#countOf(client.address) >= maxEach) {
      this.#count('too-many');
      return;
    }
    const abort = new AbortController();
    const done = this.#run(name, source, asked, client, abort.signal).finally(() => {
      if (this.#running.get(key)?.abort === abort) this.#running.delete(key);
    });
    this.#running.set(key, { client, request, abort, done });
  }

  async #run(
    name: string,
    source: TftpSource,
    asked: ReadonlyMap<string, string>,
    client: RemoteInfo,
    signal: AbortSignal,
  ): Promise<void> {
    const { address, log, nowMs, onEnd } = this.#options;
    const startedMs = nowMs();
    try {
      const end = await sendFile({ address, client, source, asked, signal, nowMs });
      this.#count(end.outcome);
      const finished = { ...end, name, client: client.address, tookMs: nowMs() - startedMs };
      log.debug(finished, `tftp: ${name} ${end.outcome}`);
      onEnd?.(finished);
    } catch (error) {
      log.warn({ err: error, name }, 'tftp: the file cannot be served');
      this.#refuse(client, errorCode.notDefined, 'the file cannot be read', 'read-failed');
    }
  }

  #countOf(address: string): number {
    return [...this.#running.values()].filter((transfer) => transfer.client.address === address).length;
  }

  #refuse(client: RemoteInfo, code: number, text: string, reason: Count): void {
    this.#count(reason);
    if (!this.#isStopped) this.#socket.send(encodeError(code, text), client.port, client.address, () => {});
  }

  #count(what: Count): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}
