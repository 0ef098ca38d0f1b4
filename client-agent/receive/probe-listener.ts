/** Listens to a multicast probe (protocol/probe.ts): how many of its datagrams come to this host. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { type ProbeOrder, readProbeDatagram } from '#protocol/probe.ts';

/** A probe that comes faster than a busy host looks at it waits here: what udp-receiver asks for, too. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/** After a good part of a round: so long without another datagram, and the probe is over for this host. In ms. */
const SILENCE_MS = 400;
/** A host that came into the middle of a round waits so long for the next one, in ms. */
const NEXT_ROUND_MS = 900;

export interface Hearing {
  /** Each datagram counted once. */
  readonly heard: number;
  /** Sent from the first to the last of them. */
  readonly of: number;
  /** Between the first and the last of each round, added up. */
  readonly spanMs: number;
}

/**
 * Counts until a round has ended, some have come and no more follow, or the signal fires, and tells `onListening` when the
 * group has been joined. Throws what the socket throws (no such interface, no multicast).
 */
export async function listenToProbe(
  order: ProbeOrder,
  interfaceName: string,
  signal: AbortSignal,
  onListening: () => void,
): Promise<Hearing> {
  const address = networkInterfaces()[interfaceName]?.find(({ family }) => family === 'IPv4')?.address;
  const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: BUFFER_BYTES });
  const tally = new ProbeTally(order.count);
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  let limit = setTimeout(end, order.listenMs);
  signal.addEventListener('abort', end, { once: true });
  try {
    socket.on('error', (error) => ended.reject(error));
    socket.on('message', (bytes) => {
      const number = readProbeDatagram(bytes, order.nonce);
      if (number === undefined) return;
      tally.add(number, performance.now());
      clearTimeout(limit);
      limit = setTimeout(end, tally.isEnough ? SILENCE_MS : NEXT_ROUND_MS);
      if (tally.isEnough && tally.endsRound(number)) end();
    });
    socket.bind(order.port, order.group);
    await once(socket, 'listening');
    socket.addMembership(order.group, address);
    onListening();
    await ended.promise;
    return tally.hearing();
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', end);
    socket.close();
  }
}

/** Counts the datagrams of a probe whose rounds have `perRound` of them, numbered through all rounds. */
class ProbeTally {
  readonly #perRound: number;
  readonly #heard = new Set<number>();
  #first = Number.POSITIVE_INFINITY;
  #last = 0;
  #round = Number.NaN;
  #beganMs = 0;
  #lastMs = 0;
  #spanMs = 0;

  constructor(perRound: number) {
    this.#perRound = perRound;
  }

  add(number: number, nowMs: number): void {
    this.#heard.add(number);
    this.#first = Math.min(this.#first, number);
    this.#last = Math.max(this.#last, number);
    const round = Math.floor(number / this.#perRound);
    if (round !== this.#round) {
      this.#spanMs += this.#lastMs - this.#beganMs;
      this.#beganMs = nowMs;
      this.#round = round;
    }
    this.#lastMs = nowMs;
  }

  /** A good part of a round has passed since the first that was heard. */
  get isEnough(): boolean {
    return this.#of * 2 >= this.#perRound;
  }

  endsRound(number: number): boolean {
    return (number + 1) % this.#perRound === 0;
  }

  hearing(): Hearing {
    return { heard: this.#heard.size, of: this.#of, spanMs: this.#spanMs + this.#lastMs - this.#beganMs };
  }

  get #of(): number {
    return this.#heard.size === 0 ? 0 : this.#last - this.#first + 1;
  }
}
