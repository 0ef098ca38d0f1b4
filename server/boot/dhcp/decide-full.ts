/** Full mode: gives addresses (RFC 2131 §4.3), and tells boot clients what to boot in the same answers. */
import { type Ipv4, isSameNetwork, NO_ADDRESS } from './address.ts';
import { bootFields } from './boot-fields.ts';
import { identifyClient } from './client-kind.ts';
import {
  addressBytes,
  type BootLookup,
  type Decision,
  destinationOf,
  echoedOptions,
  ignore,
  type LeaseChange,
  maxReplyBytes,
  nakFlags,
} from './decision.ts';
import { message, option } from './option.ts';
import { addressOption, type DhcpPacket, messageTypeOf, replyTo } from './packet.ts';
import type { Subnet } from './subnet.ts';

/** What the server knows about the client when a request comes. */
export interface LeaseFacts {
  readonly serverAddress: Ipv4;
  /** Where the client is; undefined when it came through a relay of a network that we do not serve. */
  readonly subnet: Subnet | undefined;
  /** It is a registered host, or everybody is served. */
  readonly isAllowed: boolean;
  /** The address that the client has, had, or was offered, if nobody else has it now. */
  readonly held: Ipv4 | undefined;
  /** The address that the pool would give it now. */
  readonly offer: Ipv4 | undefined;
  /** It is in the pool or reserved for this client, and free or this client's own. */
  canHave(address: Ipv4): boolean;
  /** Another client has it. */
  isOthers(address: Ipv4): boolean;
  readonly boot: BootLookup;
}

/** The answer to one request of the client with this MAC, and what it changes of the leases. Pure. */
export function decideFull(request: DhcpPacket, mac: string, facts: LeaseFacts): Decision {
  const { subnet } = facts;
  if (!facts.isAllowed) return ignore('not-registered');
  if (subnet === undefined) return ignore('no-subnet');
  switch (messageTypeOf(request)) {
    case message.discover:
      return facts.offer === undefined
        ? ignore('pool-empty')
        : grant(request, mac, facts, subnet, { kind: 'offer', address: facts.offer });
    case message.request:
      return decideRequest(request, mac, facts, subnet);
    case message.decline:
      return decideReturn(request, facts, 'decline', addressOption(request, option.requestedAddress));
    case message.release:
      return decideReturn(request, facts, 'release', request.ciaddr);
    case message.inform:
      return decideInform(request, mac, facts, subnet);
    default:
      return ignore('message-type');
  }
}

/** The four states in which a client asks (RFC 2131 §4.3.2, table 4), told apart by three fields. */
function decideRequest(request: DhcpPacket, mac: string, facts: LeaseFacts, subnet: Subnet): Decision {
  const serverId = addressOption(request, option.serverId);
  const wanted = addressOption(request, option.requestedAddress);
  if (serverId !== undefined) {
    if (serverId !== facts.serverAddress) {
      const refused: LeaseChange | undefined =
        facts.held === undefined ? undefined : { kind: 'refuse-offer', address: facts.held };
      return ignore('for-another-server', refused);
    }
    // SELECTING; some clients repeat the address in ciaddr only.
    const address = wanted ?? request.ciaddr;
    if (address === NO_ADDRESS) return ignore('no-address');
    if (!facts.canHave(address)) return refuse(request, facts, 'the address is not free any more');
    return grant(request, mac, facts, subnet, { kind: 'bind', address });
  }
  // INIT-REBOOT names the address in option 50, RENEWING and REBINDING in ciaddr.
  const address = request.ciaddr === NO_ADDRESS ? wanted : request.ciaddr;
  if (address === undefined) return ignore('no-address');
  if (!isSameNetwork(address, subnet.network, subnet.netmask)) return refuse(request, facts, 'wrong network');
  if (facts.held === undefined && !facts.isOthers(address)) return ignore('unknown-lease');
  if (facts.held !== address || !facts.canHave(address)) return refuse(request, facts, 'not your address');
  return grant(request, mac, facts, subnet, { kind: 'bind', address });
}

function decideReturn(
  request: DhcpPacket,
  facts: LeaseFacts,
  kind: 'decline' | 'release',
  address: Ipv4 | undefined,
): Decision {
  if (addressOption(request, option.serverId) !== facts.serverAddress) return ignore('for-another-server');
  if (address === undefined || address !== facts.held) return ignore('unknown-lease');
  return ignore('nothing-to-say', { kind, address });
}

/** The client has an address by other means and asks for the rest (RFC 2131 §4.3.5): no address, no lease time. */
function decideInform(request: DhcpPacket, mac: string, facts: LeaseFacts, subnet: Subnet): Decision {
  if (request.ciaddr === NO_ADDRESS) return ignore('no-address');
  return answer(request, mac, facts, subnet, message.ack, undefined);
}

function grant(request: DhcpPacket, mac: string, facts: LeaseFacts, subnet: Subnet, change: LeaseChange): Decision {
  return answer(request, mac, facts, subnet, change.kind === 'offer' ? message.offer : message.ack, change);
}

function answer(
  request: DhcpPacket,
  mac: string,
  facts: LeaseFacts,
  subnet: Subnet,
  type: number,
  change: LeaseChange | undefined,
): Decision {
  const client = identifyClient(request, mac);
  const bootAnswer = client === undefined ? undefined : facts.boot(client);
  const boot =
    client === undefined || bootAnswer === undefined ? undefined : bootFields(request, client, bootAnswer, 'full');
  const reply = replyTo(request);
  const packet: DhcpPacket = {
    ...reply,
    ciaddr: type === message.offer ? NO_ADDRESS : request.ciaddr,
    yiaddr: change?.address ?? NO_ADDRESS,
    siaddr: boot?.siaddr ?? NO_ADDRESS,
    file: boot?.file ?? '',
    options: new Map([
      [option.messageType, Buffer.of(type)],
      [option.serverId, addressBytes(facts.serverAddress)],
      ...(change === undefined ? [] : leaseTimes(subnet.leaseS)),
      [option.subnetMask, addressBytes(subnet.netmask)],
      ...wantedOptions(request, subnet),
      ...(boot?.options ?? []),
      ...echoedOptions(request),
    ]),
  };
  return {
    kind: 'reply',
    packet,
    to: destinationOf(request, packet),
    maxBytes: maxReplyBytes(request),
    ...(change === undefined ? {} : { change }),
  };
}

function refuse(request: DhcpPacket, facts: LeaseFacts, reason: string): Decision {
  const packet: DhcpPacket = {
    ...replyTo(request),
    flags: nakFlags(request),
    options: new Map([
      [option.messageType, Buffer.of(message.nak)],
      [option.serverId, addressBytes(facts.serverAddress)],
      [option.message, Buffer.from(reason)],
      ...echoedOptions(request),
    ]),
  };
  return { kind: 'reply', packet, to: destinationOf(request, packet), maxBytes: maxReplyBytes(request) };
}

/** T1 and T2 at one half and seven eighths, as RFC 2131 §4.4.5 has them. */
function leaseTimes(leaseS: number): [number, Buffer][] {
  return [
    [option.leaseTime, uint32(leaseS)],
    [option.renewalTime, uint32(Math.floor(leaseS / 2))],
    [option.rebindingTime, uint32(Math.floor((leaseS * 7) / 8))],
  ];
}

/** What is set, of what the client lists in option 55 (of all, when it lists nothing). */
function wantedOptions(request: DhcpPacket, subnet: Subnet): [number, Buffer][] {
  const listed = request.options.get(option.parameterList);
  const all: [number, Buffer | undefined][] = [
    [option.router, subnet.router === undefined ? undefined : addressBytes(subnet.router)],
    [option.dns, subnet.dns.length === 0 ? undefined : addressBytes(...subnet.dns)],
    [option.domain, subnet.domain === undefined ? undefined : Buffer.from(subnet.domain)],
    [option.broadcast, addressBytes(subnet.broadcast)],
    [option.ntp, subnet.ntp.length === 0 ? undefined : addressBytes(...subnet.ntp)],
  ];
  return all.filter((one): one is [number, Buffer] => one[1] !== undefined && (listed?.includes(one[0]) ?? true));
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
