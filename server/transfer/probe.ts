/** Sends a multicast probe, and judges what the hosts heard of it. For sessions before a cast, and for whoever checks a network. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { makeProbeDatagram, PROBE_DATAGRAM_BYTES, type ProbeOrder } from '#protocol/probe.ts';
import type { Clock } from '#system/clock.ts';
import { Pacer } from './rate-share.ts';

export interface ProbeFrom {
  /** The server's address on the deployment network. */
  readonly address: string;
  readonly ttl: number;
  /** The rate of the cast that follows, in Mbit/s. */
  readonly mbit: number;
  readonly clock: Clock;
}

/** So much goes out at once, in ms: the port of a host with a slower link keeps that, and drops more. */
const BURST_MS = 3;

/** Sends the datagrams of one round, counted from 0. Throws what the socket throws, and AbortError. */
export async function sendProbe(order: ProbeOrder, from: ProbeFrom, signal: AbortSignal, round = 0): Promise<void> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, from.address);
    await once(socket, 'listening');
    socket.setMulticastInterface(from.address);
    socket.setMulticastTTL(from.ttl);
    const pacer = new Pacer(from.clock, () => from.mbit, BURST_MS);
    const first = round * order.count;
    for (let number = first; number < first + order.count; number++) {
      await pacer.take(PROBE_DATAGRAM_BYTES, signal);
      await new Promise<void>((resolve, reject) =>
        socket.send(makeProbeDatagram(order.nonce, number), order.port, order.group, (error) =>
          error === null ? resolve() : reject(error),
        ),
      );
    }
  } finally {
    socket.close();
  }
}

/** Why a host does not take part in a cast, for the admin; undefined: it hears well enough. Pure. */
export function judgeHearing(heard: number, count: number, mostLossPercent: number): string | undefined {
  if (heard === 0) {
    return 'hears no multicast: look at the switch for IGMP snooping without a querier, and at its VLAN';
  }
  const lossPercent = 100 - (heard * 100) / count;
  if (lossPercent <= mostLossPercent) return undefined;
  const share = `${Math.round(lossPercent)} %`;
  return `loses ${share} of multicast: look for a 100 Mbit port, storm control on the switch, or a bad cable`;
}
