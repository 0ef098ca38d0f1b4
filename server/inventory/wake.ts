/**
 * Wake-on-LAN: the magic packet is 6 × FF, then the MAC sixteen times (AMD, "Magic Packet Technology", 1995), here in UDP to
 * port 9 (discard): network cards look for the pattern anywhere in a frame, so the port is only custom.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { HostView } from '#protocol/admin-api.ts';
import { knownError } from '#protocol/errors.ts';

export const WAKE_PORT = 9;

/** `mac` is in our form: lower case with colons. */
export function magicPacket(mac: string): Buffer {
  const address = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => address)]);
}

/**
 * Wakes hosts on the deployment network. A packet goes to the network's own broadcast address and to 255.255.255.255: which
 * of the two leaves depends on the routes of the server.
 */
export class Waker {
  #address: string;
  #broadcasts: readonly string[];
  #port: number;

  /** `address` is the server's own on the interface: the packet leaves there. `broadcast` as in network.ts. */
  constructor(network: { readonly address: string; readonly broadcast?: string }, port = WAKE_PORT) {
    this.#address = network.address;
    this.#broadcasts = [...(network.broadcast === undefined ? [] : [network.broadcast]), '255.255.255.255'];
    this.#port = port;
  }

  /** Sends one packet for each MAC; may be repeated. Throws WAKE_FAILED when none could leave. */
  async wake(host: HostView): Promise<void> {
    const socket = createSocket('udp4');
    try {
      socket.bind(0, this.#address);
      await once(socket, 'listening');
      socket.setBroadcast(true);
      const sends = host.macs.flatMap((mac) =>
        this.#broadcasts.map((target) => send(socket, magicPacket(mac), this.#port, target)),
      );
      const results = await Promise.allSettled(sends);
      if (results.some((result) => result.status === 'fulfilled')) return;
      throw (results[0] as PromiseRejectedResult).reason;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw knownError('WAKE_FAILED', { host: host.name, reason }, { cause: error });
    } finally {
      socket.close();
    }
  }
}

function send(socket: Socket, packet: Buffer, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(packet, port, address, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
