/**
 * Asks the network whether somebody uses an address before it is given away (RFC 2131 §2.2). A neighbour is asked by ARP, which
 * no firewall on it can hide: any datagram to the address makes the kernel ask, and /proc/net/arp shows the answer. What the kernel
 * knew before may be a machine that is long gone, and it would not ask anew at once: such an address is pinged, as is one behind a relay.
 */
import { createSocket, type Socket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import type { Clock } from '#system/clock.ts';
import { run } from '#system/run.ts';
import { formatAddress, type Ipv4 } from './address.ts';

/** Time for an ARP answer. On a LAN it takes about a millisecond; a disk-less answerer that sleeps answers never. */
const ARP_WAIT_MS = 250;
/** Port 9 is "discard". */
const DISCARD_PORT = 9;
/** Flag of a resolved entry in /proc/net/arp (ATF_COM in linux/if_arp.h). */
const RESOLVED = 2;

export interface AddressProbe {
  /** True when a machine other than `mac` answers for the address. Never throws: what cannot be asked counts as free. */
  isTaken(address: Ipv4, mac: string, place: 'neighbour' | 'behind-relay'): Promise<boolean>;
  close(): void;
}

export class NetworkProbe implements AddressProbe {
  readonly #clock: Clock;
  readonly #interface: string;
  readonly #socket: Socket;

  /** `network` as in server/network.ts. */
  constructor(network: { readonly interface: string; readonly address: string }, clock: Clock) {
    this.#clock = clock;
    this.#interface = network.interface;
    this.#socket = createSocket('udp4');
    // An unreachable address reports here some seconds later: that is the good answer.
    this.#socket.on('error', () => {});
    this.#socket.bind(0, network.address);
    this.#socket.unref();
  }

  async isTaken(address: Ipv4, mac: string, place: 'neighbour' | 'behind-relay'): Promise<boolean> {
    const target = formatAddress(address);
    if (place === 'behind-relay') return answersPing(target);
    const known = await this.#neighbour(target);
    if (known !== undefined) return known !== mac && (await answersPing(target));
    this.#socket.send(Buffer.alloc(0), DISCARD_PORT, target, () => {});
    await this.#clock.sleep(ARP_WAIT_MS);
    const found = await this.#neighbour(target);
    return found !== undefined && found !== mac;
  }

  async #neighbour(address: string): Promise<string | undefined> {
    return neighbourMac(await readFile('/proc/net/arp', 'utf8').catch(() => ''), address, this.#interface);
  }

  close(): void {
    this.#socket.close();
  }
}

/** The MAC that answered for an address, from the text of /proc/net/arp; undefined when nobody did. */
function neighbourMac(table: string, address: string, device: string): string | undefined {
  for (const line of table.split('\n').slice(1)) {
    const [ip, , flags, mac, , name] = line.trim().split(/\s+/);
    if (ip === address && name === device && (Number(flags) & RESOLVED) !== 0) return mac;
  }
  return undefined;
}

async function answersPing(address: string): Promise<boolean> {
  try {
    const { exitCode } = await run(['ping', '-n', '-c', '1', '-W', '1', address], {
      okCodes: [0, 1, 2],
      limitMs: 3000,
    });
    return exitCode === 0;
  } catch {
    return false;
  }
}
