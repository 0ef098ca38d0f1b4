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
  const heard = new Set<number>();
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  const of = () => (heard.size === 0 ? 0 : last - first + 1);
  let round = Number.NaN;
  let beganMs = 0;
  let spanMs = 0;
  let lastMs = 0;
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  let limit = setTimeout(end, order.listenMs);
  signal.addEventListener('abort', end, { once: true });
  try {
    socket.on('error', (error) => ended.reject(error));
    socket.on('message', (bytes) => {
      const number = readProbeDatagram(bytes, order.nonce);
      if (number === undefined) return;
      heard.add(number);
      first = Math.min(first, number);
      last = Math.max(last, number);
      const nowMs = performance.now();
      const itsRound = Math.floor(number / order.count);
      if (itsRound !== round) {
        spanMs += lastMs - beganMs;
        beganMs = nowMs;
        round = itsRound;
      }
      lastMs = nowMs;
      clearTimeout(limit);
      const isEnough = of() * 2 >= order.count;
      limit = setTimeout(end, isEnough ? SILENCE_MS : NEXT_ROUND_MS);
      if (isEnough && (number + 1) % order.count === 0) end();
    });
    socket.bind(order.port, order.group);
    await once(socket, 'listening');
    socket.addMembership(order.group, address);
    onListening();
    await ended.promise;
    return { heard: heard.size, of: of(), spanMs: spanMs + lastMs - beganMs };
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', end);
    socket.close();
  }
}
