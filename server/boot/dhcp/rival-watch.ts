/**
 * Notices other DHCP and PXE servers on the segment: now and then it asks as a client would (a DISCOVER, never followed by a
 * REQUEST, so nobody's pool shrinks for long) and listens who offers.
 */
import { randomInt } from 'node:crypto';
import type { Socket } from 'node:dgram';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import { openSocket } from '../device-socket.ts';
import { formatAddress, NO_ADDRESS } from './address.ts';
import { CLIENT_PORT, SERVER_PORT } from './decision.ts';
import { message, option } from './option.ts';
import {
  addressOption,
  type DhcpPacket,
  decodePacket,
  encodePacket,
  FLAG_BROADCAST,
  messageTypeOf,
  OP_REPLY,
  OP_REQUEST,
} from './packet.ts';
import type { DhcpNetwork } from './server.ts';

export const WATCH_INTERVAL_MS = 300_000;
/** Servers that ping an address before they offer it (dnsmasq, ISC) take up to three seconds. */
const LISTEN_MS = 4000;

/** One server that offered something. */
export interface SeenServer {
  readonly address: string;
  readonly givesAddresses: boolean;
  readonly givesBootFiles: boolean;
}

export interface RivalFinding {
  /** For programs; `key` is the same as long as the fact is the same. */
  readonly action: 'second-dhcp-server' | 'second-boot-server' | 'no-dhcp-server';
  readonly key: string;
  /** One sentence for people. */
  readonly text: string;
}

/** What is worth telling about the servers that answered; our own is not among them. */
export function judgeServers(mode: 'proxy' | 'full', seen: readonly SeenServer[], device: string): RivalFinding[] {
  const findings: RivalFinding[] = [];
  const givers = seen.filter((server) => server.givesAddresses).map((server) => server.address);
  if (mode === 'full' && givers.length > 0) {
    const text = `Another DHCP server gives addresses on ${device}: ${givers.join(', ')}. Switch it off there, or use dhcp = "proxy"`;
    findings.push({ action: 'second-dhcp-server', key: `dhcp ${givers.join()}`, text });
  }
  if (mode === 'proxy' && givers.length > 1) {
    const text = `Several DHCP servers give addresses on ${device}: ${givers.join(', ')}. One of them is probably not meant to`;
    findings.push({ action: 'second-dhcp-server', key: `dhcp ${givers.join()}`, text });
  }
  if (mode === 'proxy' && givers.length === 0) {
    const text = `No DHCP server gives addresses on ${device}: machines cannot boot. Start one, or use dhcp = "full"`;
    findings.push({ action: 'no-dhcp-server', key: 'none', text });
  }
  const booters = seen.filter((server) => server.givesBootFiles).map((server) => server.address);
  if (booters.length > 0) {
    const text = `Another server tells machines what to boot on ${device}: ${booters.join(', ')}. Which answer a machine takes is chance`;
    findings.push({ action: 'second-boot-server', key: `boot ${booters.join()}`, text });
  }
  return findings;
}

/** Reads an OFFER to our probe; undefined when it is none. */
function readOffer(bytes: Buffer, xid: number, source: string): SeenServer | undefined {
  const packet = decodePacket(bytes);
  if (typeof packet === 'string' || packet.op !== OP_REPLY || packet.xid !== xid) return undefined;
  if (messageTypeOf(packet) !== message.offer) return undefined;
  const serverId = addressOption(packet, option.serverId);
  const isPxe = packet.options.get(option.vendorClass)?.toString('latin1', 0, 9) === 'PXEClient';
  return {
    address: serverId === undefined ? source : formatAddress(serverId),
    givesAddresses: packet.yiaddr !== NO_ADDRESS,
    givesBootFiles: isPxe || packet.file !== '' || packet.options.has(option.bootFile),
  };
}

/** A DISCOVER as a UEFI PXE ROM sends it (facts: OVMF), from the interface's own MAC: switches with DHCP snooping let it pass. */
function probePacket(mac: string, xid: number): Buffer {
  const packet: DhcpPacket = {
    op: OP_REQUEST,
    htype: 1,
    hops: 0,
    xid,
    secs: 0,
    flags: FLAG_BROADCAST,
    ciaddr: NO_ADDRESS,
    yiaddr: NO_ADDRESS,
    siaddr: NO_ADDRESS,
    giaddr: NO_ADDRESS,
    chaddr: Buffer.from(mac.replaceAll(':', ''), 'hex'),
    sname: '',
    file: '',
    options: new Map([
      [option.messageType, Buffer.of(message.discover)],
      [option.parameterList, Buffer.of(option.subnetMask, option.router, option.vendorClass, option.bootFile)],
      [option.vendorClass, Buffer.from('PXEClient:Arch:00007:UNDI:003000')],
      [option.architecture, Buffer.of(0, 7)],
      [94, Buffer.of(1, 3, 0)],
    ]),
  };
  return encodePacket(packet)!;
}

export interface WatchOptions {
  readonly network: DhcpNetwork & { readonly mac: string };
  readonly mode: 'proxy' | 'full';
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once for each new finding, and again when it went away and came back. */
  readonly onFinding: (finding: RivalFinding) => void;
  readonly intervalMs?: number;
  readonly listenMs?: number;
}

export class RivalWatch {
  readonly #o: WatchOptions;
  readonly #stopping = new AbortController();
  #told = new Set<string>();
  #done: Promise<void> | undefined;

  constructor(o: WatchOptions) {
    this.#o = o;
  }

  /** Looks at once, then every few minutes. */
  start(): void {
    this.#done ??= this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const { mode, network } = this.#o;
        this.#tell(judgeServers(mode, await askForServers({ ...this.#o, signal }), network.interface));
      } catch (error) {
        if (!signal.aborted) this.#o.log.warn({ err: error }, 'dhcp: cannot look for other servers');
      }
      await this.#o.clock.sleep(this.#o.intervalMs ?? WATCH_INTERVAL_MS, signal).catch(() => {});
    }
  }

  #tell(findings: readonly RivalFinding[]): void {
    for (const finding of findings) if (!this.#told.has(finding.key)) this.#o.onFinding(finding);
    this.#told = new Set(findings.map((finding) => finding.key));
  }
}

/**
 * Who offers something to a machine that starts, in the order of their addresses. The sockets are open only meanwhile: a DHCP client
 * of this machine on the same port would miss its own answers. Our own server is not in the answer: it does not answer its own MAC.
 * Throws BOOT_PORT_TAKEN, BOOT_PORT_DENIED, AbortError.
 */
export async function askForServers(o: {
  readonly network: DhcpNetwork & { readonly mac: string };
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly listenMs?: number | undefined;
}): Promise<SeenServer[]> {
  const { network, clock } = o;
  const xid = randomInt(2 ** 32);
  const seen = new Map<string, SeenServer>();
  const sockets: Socket[] = [];
  try {
    for (const address of ['0.0.0.0', network.address]) {
      const device = address === '0.0.0.0' ? { device: network.interface } : {};
      const socket = await openSocket({ address, port: CLIENT_PORT, shares: true, ...device });
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('message', (bytes, source) => {
        const server = readOffer(bytes, xid, source.address);
        if (server !== undefined) seen.set(server.address, mergeServers(seen.get(server.address), server));
      });
    }
    sockets[1]!.send(probePacket(network.mac, xid), SERVER_PORT, '255.255.255.255', () => {});
    await clock.sleep(o.listenMs ?? LISTEN_MS, o.signal);
  } finally {
    for (const socket of sockets) socket.close();
  }
  return [...seen.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
}

/** dnsmasq answers as DHCP server and as PXE proxy from one address. */
function mergeServers(known: SeenServer | undefined, more: SeenServer): SeenServer {
  if (known === undefined) return more;
  return {
    address: more.address,
    givesAddresses: known.givesAddresses || more.givesAddresses,
    givesBootFiles: known.givesBootFiles || more.givesBootFiles,
  };
}
