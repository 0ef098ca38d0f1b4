/** Runs one transfer: its own socket, its timer, its reads. What happens when is decided in transfer.ts. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import type { TftpSource } from './files.ts';
import { agreeOn } from './negotiation.ts';
import { dataHeader, decodeTftp, encodeError, encodeOptionAck, errorCode } from './packet.ts';
import { beginTransfer, type TransferState, type Transition, takeAck, takeTimeout } from './transfer.ts';

/** The largest window is 94 kB. */
const READ_AHEAD_BYTES = 128 * 1024;

export interface TftpClient {
  readonly address: string;
  readonly port: number;
}

export type TransferOutcome =
  | 'complete'
  /** It asked for the size alone, or had enough: OVMF does so before every real transfer. */
  | 'ended-by-client'
  | 'client-silent'
  | 'read-failed'
  | 'stopped';

export interface TransferEnd {
  readonly outcome: TransferOutcome;
  readonly fileBytes: number;
  /** The client's words, or the reason of a failed read. */
  readonly reason?: string;
}

/** An open file, or bytes in memory. */
interface Content {
  readonly bytes: number;
  read(offset: number, length: number): Promise<Buffer> | Buffer;
  close(): Promise<void>;
}

/**
 * Sends a file to a client from a new port of `address` and answers how it ended. Throws when the file cannot be opened or the
 * socket not bound, before anything was sent.
 */
export async function sendFile(o: {
  readonly address: string;
  readonly client: TftpClient;
  readonly source: TftpSource;
  readonly asked: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
}): Promise<TransferEnd> {
  const content = await openContent(o.source);
  try {
    const socket = createSocket('udp4');
    try {
      socket.bind(0, o.address);
      await once(socket, 'listening');
      return await new Sender(socket, content, o).run();
    } finally {
      socket.close();
    }
  } finally {
    await content.close();
  }
}

class Sender {
  readonly #socket: Socket;
  readonly #content: Content;
  readonly #client: TftpClient;
  readonly #nowMs: () => number;
  readonly #signal: AbortSignal;
  readonly #first: Transition;
  readonly #end = Promise.withResolvers<TransferEnd>();
  #state: TransferState;
  #timer: NodeJS.Timeout | undefined;
  /** The range to send next; a newer one takes the place of one that was not begun. */
  #wanted: { first: number; last: number } | undefined;
  #isReading = false;
  #hasEnded = false;

  constructor(
    socket: Socket,
    content: Content,
    o: { client: TftpClient; asked: ReadonlyMap<string, string>; signal: AbortSignal; nowMs: () => number },
  ) {
    this.#socket = socket;
    this.#content = content;
    this.#client = o.client;
    this.#nowMs = o.nowMs;
    this.#signal = o.signal;
    this.#first = beginTransfer(agreeOn(o.asked, content.bytes), content.bytes, o.nowMs());
    this.#state = this.#first.state;
  }

  async run(): Promise<TransferEnd> {
    const stop = () => this.#finish('stopped');
    if (this.#signal.aborted) stop();
    this.#signal.addEventListener('abort', stop, { once: true });
    this.#socket.on('error', (error) => this.#finish('read-failed', error.message));
    this.#socket.on('message', (bytes, source) => this.#receive(bytes, source));
    this.#perform(this.#first);
    try {
      return await this.#end.promise;
    } finally {
      clearTimeout(this.#timer);
      this.#signal.removeEventListener('abort', stop);
    }
  }

  #receive(bytes: Buffer, source: RemoteInfo): void {
    if (this.#hasEnded) return;
    const packet = decodeTftp(bytes);
    if (typeof packet === 'string') return;
    if (source.address !== this.#client.address || source.port !== this.#client.port) {
      // RFC 1350 §4: a stranger is told, and the transfer goes on. An ERROR is never answered.
      if (packet.kind === 'ack') this.#sendTo(encodeError(errorCode.unknownTransfer, 'unknown transfer'), source);
      return;
    }
    if (packet.kind === 'error') this.#finish('ended-by-client', `error ${packet.code}: ${packet.text}`);
    if (packet.kind === 'ack') this.#perform(takeAck(this.#state, packet.block, this.#nowMs()));
  }

  #perform({ state, step }: Transition): void {
    if (this.#hasEnded) return;
    this.#state = state;
    if (step.kind === 'end') {
      this.#finish(step.outcome);
      return;
    }
    if (step.kind === 'send-option-ack') this.#sendTo(encodeOptionAck(state.terms.acknowledged), this.#client);
    if (step.kind === 'send-blocks') this.#want(step.first, step.last);
    this.#armTimer();
  }

  /** One timer that looks again when it rings early: an ACK only moves the time. */
  #armTimer(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        // While the disk is slower than the client's patience, sending twice would not help.
        if (this.#isReading) this.#armTimer();
        else this.#perform(takeTimeout(this.#state, this.#nowMs()));
      },
      Math.max(1, this.#state.dueMs - this.#nowMs()),
    );
  }

  #want(first: number, last: number): void {
    this.#wanted = { first, last };
    if (this.#isReading) return;
    this.#sendWanted().catch((error: unknown) => {
      if (this.#hasEnded) return;
      this.#sendTo(encodeError(errorCode.notDefined, 'the file cannot be read'), this.#client);
      this.#finish('read-failed', error instanceof Error ? error.message : String(error));
    });
  }

  async #sendWanted(): Promise<void> {
    const { blockBytes } = this.#state.terms;
    this.#isReading = true;
    try {
      while (this.#wanted !== undefined && !this.#hasEnded) {
        const { first, last } = this.#wanted;
        this.#wanted = undefined;
        const offset = (first - 1) * blockBytes;
        const length = Math.min(this.#content.bytes, last * blockBytes) - offset;
        const read = this.#content.read(offset, length);
        const data = Buffer.isBuffer(read) ? read : await read;
        if (this.#hasEnded) return;
        for (let block = first; block <= last; block++) {
          const from = (block - first) * blockBytes;
          this.#sendTo([dataHeader(block), data.subarray(from, from + blockBytes)], this.#client);
        }
      }
    } finally {
      this.#isReading = false;
    }
  }

  #sendTo(packet: Buffer | Buffer[], target: TftpClient): void {
    // A packet that cannot be sent is a packet lost: the timer sees to it.
    this.#socket.send(packet as Buffer[], target.port, target.address, () => {});
  }

  #finish(outcome: TransferOutcome, reason?: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const end = { outcome, fileBytes: this.#content.bytes };
    this.#end.resolve(reason === undefined ? end : { ...end, reason });
  }
}

async function openContent(source: TftpSource): Promise<Content> {
  if ('bytes' in source) {
    const { bytes } = source;
    return {
      bytes: bytes.length,
      read: (offset, length) => bytes.subarray(offset, offset + length),
      close: async () => {},
    };
  }
  const file = await open(source.path, 'r');
  try {
    const { size } = await file.stat();
    return makeFileContent(file, size);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads ahead: a read for every window of one block would cost more than sending it. */
function makeFileContent(file: FileHandle, size: number): Content {
  let aheadOffset = 0;
  let ahead: Buffer = Buffer.alloc(0);
  const fromAhead = (offset: number, length: number) =>
    ahead.subarray(offset - aheadOffset, offset - aheadOffset + length);
  return {
    bytes: size,
    read: (offset, length) => {
      if (offset >= aheadOffset && offset + length <= aheadOffset + ahead.length) return fromAhead(offset, length);
      const wanted = Math.min(size - offset, Math.max(length, READ_AHEAD_BYTES));
      return readFully(file, offset, wanted).then((buffer) => {
        aheadOffset = offset;
        ahead = buffer;
        return fromAhead(offset, length);
      });
    },
    close: () => file.close(),
  };
}

async function readFully(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let have = 0; have < length; ) {
    const { bytesRead } = await file.read(buffer, have, length - have, offset + have);
    if (bytesRead === 0) throw new Error('the file became shorter while it was sent');
    have += bytesRead;
  }
  return buffer;
}
