/**
 * Wake-on-LAN: the magic packet is 6 × FF, then the MAC sixteen times (AMD, "Magic Packet Technology", 1995), here in UDP to
 * port 9 (discard): network cards look for the pattern anywhere in a frame, so the port is only custom. A card that was given a
 * SecureOn password wants its six bytes right behind (National Semiconductor, DP83815 data sheet; `ethtool -s eth0 wol s sopass …`).
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { HostView } from '#protocol/admin/host-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';

export const WAKE_PORT = 9;
/** Time between two copies of a packet, in ms: a switch whose port has just come up drops what comes at once. */
const REPEAT_GAP_MS = 100;

/** `mac` and the SecureOn password are in our form: lower case with colons. */
export function magicPacket(mac: string, secureOn?: string): Buffer {
  const address = sixBytes(mac);
  const password = secureOn === undefined ? [] : [sixBytes(secureOn)];
  return Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => address), ...password]);
}

export interface WakerOptions {
  readonly clock: Clock;
  readonly secureOnOf: (hostId: number) => string | undefined;
  /** Copies of every packet: nobody answers, so a lost one is not noticed. */
  readonly repeats: number;
  readonly port?: number;
}

/**
 * Wakes hosts on the deployment network. A packet goes to the network's own broadcast address and to 255.255.255.255: which
 * of the two leaves depends on the routes of the server.
 */
export class Waker {
  #address: string;
  #broadcasts: readonly string[];
  #options: WakerOptions;

  /** `address` is the server's own on the interface: the packet leaves there. `broadcast` as in network.ts. */
  constructor(network: { readonly address: string; readonly broadcast?: string }, options: WakerOptions) {
    this.#address = network.address;
    this.#broadcasts = [...(network.broadcast === undefined ? [] : [network.broadcast]), '255.255.255.255'];
    this.#options = options;
  }

  /** Sends some copies of one packet for each MAC; may be repeated. Throws WAKE_FAILED when none could leave. */
  async wake(host: HostView): Promise<void> {
    const socket = createSocket('udp4');
    try {
      socket.bind(0, this.#address);
      await once(socket, 'listening');
      socket.setBroadcast(true);
      const { clock, repeats, secureOnOf, port = WAKE_PORT } = this.#options;
      const packets = host.macs.map((mac) => magicPacket(mac, secureOnOf(host.hostId)));
      const results: PromiseSettledResult<void>[] = [];
      for (let copy = 0; copy < repeats; copy++) {
        if (copy > 0) await clock.sleep(REPEAT_GAP_MS);
        const sends = packets.flatMap((packet) => this.#broadcasts.map((target) => send(socket, packet, port, target)));
        results.push(...(await Promise.allSettled(sends)));
      }
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

function sixBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function send(socket: Socket, packet: Buffer, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(packet, port, address, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
