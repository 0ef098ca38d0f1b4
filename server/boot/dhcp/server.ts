/**
 * The DHCP sockets of one interface. What to answer is decided in decide-proxy.ts and decide-full.ts.
 *
 * Three sockets: one on 0.0.0.0:67 for broadcasts, bound to the interface where that is possible (boot/device-socket.ts); one on the
 * interface's own address, for what is sent to it alone and for every answer, so that a broadcast leaves by this interface
 * whatever the routes say; and in proxy mode one on port 4011 of the same address.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Logger } from '#system/log.ts';
import { openSocket } from '../device-socket.ts';
import { formatAddress, type Ipv4, NO_ADDRESS, parseAddress } from './address.ts';
import type { AddressProbe } from './address-probe.ts';
import { type BootClient, identifyClient } from './client-kind.ts';
import { decideFull } from './decide-full.ts';
import { decideProxy, describeBoot } from './decide-proxy.ts';
import { type BootLookup, type Decision, type IgnoreReason, PXE_PORT, SERVER_PORT } from './decision.ts';
import type { LeaseClient, LeasePool } from './lease-pool.ts';
import { message, messageName, option } from './option.ts';
import {
  addressOption,
  type DhcpPacket,
  decodePacket,
  encodePacket,
  macOf,
  messageTypeOf,
  OP_REQUEST,
  type PacketFault,
} from './packet.ts';
import { type Subnet, subnetOf } from './subnet.ts';

/** Addresses that may turn out to be in use before a DISCOVER goes unanswered; the client asks again by itself. */
const MAX_PROBES = 3;
/** An address found free is not asked for again for this long. */
const PROBE_KEPT_MS = 60_000;
/** Clients whose address is being asked for at one time: beyond, requests are dropped until a place is free. */
const MAX_PROBING = 256;

export interface DhcpNetwork {
  readonly interface: string;
  /** The server's own address on it. */
  readonly address: string;
  /** The MAC of the interface: its own probes are not answered. */
  readonly mac?: string;
}

/** What full mode needs beyond proxy mode. */
export interface FullMode {
  readonly subnets: readonly Subnet[];
  readonly pool: LeasePool;
  readonly probe: AddressProbe;
  /**
   * What tells clients apart. `mac`: one machine has one address all the way from ROM to operating system, which each name
   * another option 61; `client-id` is the letter of RFC 2131 §4.2.
   */
  readonly identity: 'mac' | 'client-id';
}

export interface DhcpOptions {
  readonly network: DhcpNetwork;
  /** Absent: proxy mode. */
  readonly full?: FullMode;
  /** By MAC: false means no answer. */
  readonly isAllowed: (mac: string) => boolean;
  /** What the machine is to boot; called for every request of a boot client, so it must be quick and may be repeated. */
  readonly boot: BootLookup;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** A client told another server that it takes its offer. */
  readonly onOtherServer?: (address: string) => void;
  /** A boot client got no answer, since it is not allowed. */
  readonly onRefused?: (client: BootClient) => void;
  /** A boot client on this very network is being answered. */
  readonly onAnswered?: (client: BootClient) => void;
}

/** By which of the sockets a packet came: broadcast, to our own address, or on port 4011. */
type Way = 'broadcast' | 'unicast' | 'pxe';
type Count = 'answered' | 'reply-too-long' | 'failed' | 'probing' | 'address-in-use' | IgnoreReason | PacketFault;

export class DhcpServer {
  readonly #options: DhcpOptions;
  readonly #serverAddress: Ipv4;
  readonly #counts = new Map<Count, number>();
  readonly #probing = new Set<string>();
  readonly #probedMs = new Map<Ipv4, number>();
  #sockets: Socket[] = [];
  /** On the interface's own address, port 67. */
  #own: Socket | undefined;

  private constructor(options: DhcpOptions) {
    this.#options = options;
    this.#serverAddress = parseAddress(options.network.address);
  }

  /** Throws BOOT_PORT_TAKEN, BOOT_PORT_DENIED. */
  static async start(options: DhcpOptions): Promise<DhcpServer> {
    const server = new DhcpServer(options);
    try {
      await server.#open();
    } catch (error) {
      server.stop();
      throw error;
    }
    return server;
  }

  /** May be repeated. */
  stop(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
    this.#own = undefined;
  }

  /** How many packets met each end: `answered`, or the reason of the silence. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  async #open(): Promise<void> {
    const { network, full } = this.#options;
    const { address } = network;
    const broadcasts = await openSocket({ address: '0.0.0.0', port: SERVER_PORT, device: network.interface });
    this.#listen(broadcasts, 'broadcast');
    this.#own = await openSocket({ address, port: SERVER_PORT, shares: true });
    this.#listen(this.#own, 'unicast');
    if (full === undefined) this.#listen(await openSocket({ address, port: PXE_PORT, shares: true }), 'pxe');
  }

  #listen(socket: Socket, way: Way): void {
    this.#sockets.push(socket);
    socket.on('error', (error) => this.#options.log.warn({ err: error }, 'dhcp: socket error'));
    socket.on('message', (bytes, source) => {
      this.#receive(bytes, source, way, socket).catch((error: unknown) => {
        this.#count('failed');
        this.#options.log.error({ err: error }, 'dhcp: a request could not be answered');
      });
    });
  }

  async #receive(bytes: Buffer, source: RemoteInfo, way: Way, socket: Socket): Promise<void> {
    const request = decodePacket(bytes);
    if (typeof request === 'string') return this.#count(request);
    const mac = macOf(request);
    const reason = reasonForSilence(request, mac, this.#options.network.mac);
    if (reason !== undefined) return this.#count(reason);
    const { full, boot } = this.#options;
    if (full === undefined) {
      const port = way === 'pxe' ? 'pxe' : 'dhcp';
      const isAllowed = this.#options.isAllowed(mac!);
      const facts = { port, source, serverAddress: this.#serverAddress, isAllowed, boot } as const;
      return this.#perform(decideProxy(request, mac!, facts), request, port === 'pxe' ? socket : undefined);
    }
    this.#noteOtherServer(request);
    const heard = { by: way === 'broadcast' ? way : 'unicast', serverAddress: this.#serverAddress } as const;
    await this.#answerFully(request, mac!, full, subnetOf(request, full.subnets, heard));
  }

  async #answerFully(request: DhcpPacket, mac: string, full: FullMode, subnet: Subnet | undefined): Promise<void> {
    const isAllowed = this.#options.isAllowed(mac);
    const client = clientOf(request, mac, full.identity);
    let offer: Ipv4 | undefined;
    if (messageTypeOf(request) === message.discover && isAllowed && subnet !== undefined) {
      if (this.#probing.has(client.key) || this.#probing.size >= MAX_PROBING) return this.#count('probing');
      const wanted = addressOption(request, option.requestedAddress);
      offer = full.pool.offerFor(client, subnet, wanted);
      if (offer !== undefined && this.#needsProbe(client, offer, full.pool)) {
        offer = await this.#probeOffer(offer, client, subnet, wanted, request, full);
      }
    }
    const decision = decideFull(request, mac, {
      serverAddress: this.#serverAddress,
      subnet,
      isAllowed,
      held: subnet === undefined ? undefined : full.pool.heldBy(client, subnet),
      offer,
      canHave: (address) => subnet !== undefined && full.pool.canHave(client, address, subnet),
      isOthers: (address) => full.pool.isOthers(client, address),
      boot: this.#options.boot,
    });
    if (decision.change !== undefined && subnet !== undefined) full.pool.apply(decision.change, client, subnet);
    this.#perform(decision, request, undefined);
  }

  #needsProbe(client: LeaseClient, address: Ipv4, pool: LeasePool): boolean {
    const probedMs = this.#probedMs.get(address);
    const isRecent = probedMs !== undefined && this.#options.nowMs() - probedMs < PROBE_KEPT_MS;
    return !isRecent && !pool.isHolding(client, address);
  }

  /** The first of the free addresses that nobody answers for; each that somebody does is set aside. */
  async #probeOffer(
    first: Ipv4,
    client: LeaseClient,
    subnet: Subnet,
    wanted: Ipv4 | undefined,
    request: DhcpPacket,
    full: FullMode,
  ): Promise<Ipv4 | undefined> {
    const place = request.giaddr === NO_ADDRESS ? 'neighbour' : 'behind-relay';
    this.#probing.add(client.key);
    try {
      let offer: Ipv4 | undefined = first;
      for (let tries = 0; tries < MAX_PROBES && offer !== undefined; tries++) {
        // Taken at once, so that nobody else is offered it while the network is asked.
        full.pool.apply({ kind: 'offer', address: offer }, client, subnet);
        if (!(await full.probe.isTaken(offer, client.mac, place))) {
          this.#noteFree(offer);
          return offer;
        }
        this.#count('address-in-use');
        this.#options.log.warn(
          { address: formatAddress(offer) },
          'dhcp: somebody without a lease uses an address of the pool',
        );
        full.pool.quarantine(offer, client);
        offer = full.pool.offerFor(client, subnet, wanted);
      }
      return undefined;
    } finally {
      this.#probing.delete(client.key);
    }
  }

  #noteFree(address: Ipv4): void {
    const nowMs = this.#options.nowMs();
    this.#probedMs.delete(address);
    this.#probedMs.set(address, nowMs);
    for (const [old, atMs] of this.#probedMs) {
      if (nowMs - atMs < PROBE_KEPT_MS) break;
      this.#probedMs.delete(old);
    }
  }

  #perform(decision: Decision, request: DhcpPacket, socket: Socket | undefined): void {
    const mac = macOf(request)!;
    if (decision.kind === 'ignore') {
      this.#count(decision.reason);
      const refused = decision.reason === 'not-registered' ? identifyClient(request, mac) : undefined;
      if (refused !== undefined) this.#options.onRefused?.(refused);
      return;
    }
    const bytes = encodePacket(decision.packet, decision.maxBytes);
    const type = messageName(messageTypeOf(decision.packet));
    const context = { mac, relay: formatAddress(request.giaddr), to: decision.to };
    if (bytes === undefined) {
      this.#count('reply-too-long');
      this.#options.log.warn(context, `dhcp: ${type} does not fit into ${decision.maxBytes} bytes`);
      return;
    }
    this.#count('answered');
    const boots = decision.packet.siaddr === NO_ADDRESS ? '' : `, boots ${describeBoot(decision.packet)}`;
    this.#options.log.debug(context, `dhcp: ${type} ${formatAddress(decision.packet.yiaddr)}${boots}`);
    const client = request.giaddr === NO_ADDRESS ? identifyClient(request, mac) : undefined;
    if (client !== undefined) this.#options.onAnswered?.(client);
    const sender = socket ?? this.#own;
    sender?.send(bytes, decision.to.port, decision.to.address, (error) => {
      if (error) this.#options.log.warn({ err: error, ...context }, `dhcp: ${type} could not be sent`);
    });
  }

  #noteOtherServer(request: DhcpPacket): void {
    const serverId = addressOption(request, option.serverId);
    if (messageTypeOf(request) !== message.request || serverId === undefined || serverId === this.#serverAddress)
      return;
    this.#options.onOtherServer?.(formatAddress(serverId));
  }

  #count(what: Count): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}

/** What is true in both modes. */
function reasonForSilence(request: DhcpPacket, mac: string | undefined, ownMac?: string): IgnoreReason | undefined {
  if (request.op !== OP_REQUEST) return 'not-a-request';
  if (messageTypeOf(request) === undefined) return 'not-dhcp';
  if (mac === undefined) return 'not-ethernet';
  return mac === ownMac ? 'own-probe' : undefined;
}

function clientOf(request: DhcpPacket, mac: string, identity: 'mac' | 'client-id'): LeaseClient {
  const clientId = request.options.get(option.clientId);
  const hostName = request.options
    .get(option.hostName)
    ?.toString('latin1')
    .replace(/[^\x21-\x7e]/g, '')
    .slice(0, 63);
  return {
    key: identity === 'client-id' && clientId !== undefined ? `id:${clientId.toString('hex')}` : mac,
    mac,
    ...(hostName === undefined || hostName === '' ? {} : { hostName }),
  };
}
