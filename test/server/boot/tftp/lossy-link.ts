/**
 * A UDP proxy between TFTP clients and a server that loses and doubles packets, both ways. In user space, since this kind of
 * machine has no netem: a program cannot tell the difference.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

export interface LinkFaults {
  /** Chance of each packet, 0 to 1. */
  readonly loss: number;
  readonly doubled: number;
  readonly seed: number;
}

interface Conversation {
  readonly toServer: Socket;
  readonly toClient: Socket;
  serverPort: number;
}

export class LossyLink {
  readonly #faults: LinkFaults;
  readonly #front: Socket;
  readonly #serverPort: number;
  readonly #talks = new Map<number, Promise<Conversation>>();
  #random: number;
  passed = 0;
  dropped = 0;

  private constructor(front: Socket, serverPort: number, faults: LinkFaults) {
    this.#front = front;
    this.#serverPort = serverPort;
    this.#faults = faults;
    this.#random = faults.seed;
    front.on('message', (bytes, source) => this.#begin(bytes, source));
  }

  static async open(serverPort: number, faults: LinkFaults): Promise<LossyLink> {
    return new LossyLink(await bound(), serverPort, faults);
  }

  get port(): number {
    return this.#front.address().port;
  }

  async close(): Promise<void> {
    this.#front.close();
    for (const talk of this.#talks.values()) {
      const { toServer, toClient } = await talk;
      toServer.close();
      toClient.close();
    }
  }

  async #begin(bytes: Buffer, client: RemoteInfo): Promise<void> {
    if (!this.#talks.has(client.port)) this.#talks.set(client.port, this.#makeTalk(client));
    const { toServer } = await this.#talks.get(client.port)!;
    this.#pass(toServer, bytes, this.#serverPort);
  }

  async #makeTalk(client: RemoteInfo): Promise<Conversation> {
    const talk: Conversation = { toServer: await bound(), toClient: await bound(), serverPort: 0 };
    talk.toServer.on('message', (bytes, source) => {
      talk.serverPort = source.port;
      this.#pass(talk.toClient, bytes, client.port);
    });
    talk.toClient.on('message', (bytes) => this.#pass(talk.toServer, bytes, talk.serverPort));
    return talk;
  }

  #pass(socket: Socket, bytes: Buffer, port: number): void {
    if (this.#chance() < this.#faults.loss) {
      this.dropped++;
      return;
    }
    this.passed++;
    socket.send(bytes, port, '127.0.0.1');
    // An OACK is not doubled: atftp 0.8.0 gives up at the second one ("unexpected OACK"), whatever the server does.
    const isOptionAck = bytes.readUInt16BE(0) === 6;
    if (this.#chance() < this.#faults.doubled && !isOptionAck) socket.send(bytes, port, '127.0.0.1');
  }

  /** xorshift32: the same faults for the same seed. */
  #chance(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x >>> 0;
    return this.#random / 2 ** 32;
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
