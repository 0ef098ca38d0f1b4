/** Listens to a multicast probe (protocol/probe.ts): how many of its datagrams come to this host. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { type ProbeOrder, readProbeDatagram } from '#protocol/probe.ts';

/** A probe that comes faster than a busy host looks at it waits here: what udp-receiver asks for, too. */
const BUFFER_BYTES = 4 * 1024 * 1024;

export interface Hearing {
  /** Each datagram counted once. */
  readonly heard: number;
  /** Between the first and the last of them. */
  readonly spanMs: number;
}

/**
 * Counts until all have come or the signal fires, and tells `onListening` when the group has been joined. Throws what the socket throws (no such interface, no multicast).
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
  let firstMs = 0;
  let lastMs = 0;
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  const limit = setTimeout(end, order.listenMs);
  signal.addEventListener('abort', end, { once: true });
  try {
    socket.on('error', (error) => ended.reject(error));
    socket.on('message', (bytes) => {
      const number = readProbeDatagram(bytes, order.nonce);
      if (number === undefined || number >= order.count) return;
      heard.add(number);
      lastMs = performance.now();
      if (heard.size === 1) firstMs = lastMs;
      if (heard.size === order.count) end();
    });
    socket.bind(order.port, order.group);
    await once(socket, 'listening');
    socket.addMembership(order.group, address);
    onListening();
    await ended.promise;
    return { heard: heard.size, spanMs: lastMs - firstMs };
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', end);
    socket.close();
  }
}
