/** What the server does with one request: the two modes (decide-proxy.ts, decide-full.ts) answer in these words. */
import { formatAddress, type Ipv4, LIMITED_BROADCAST, NO_ADDRESS } from './address.ts';
import type { BootClient } from './client-kind.ts';
import { message, option } from './option.ts';
import { type DhcpPacket, FLAG_BROADCAST, messageTypeOf, SAFE_PACKET_BYTES } from './packet.ts';

export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;
/** Where a PXE client asks a proxy again (PXE 2.1 §2.2.3). */
export const PXE_PORT = 4011;

/** What a machine is to boot, from main's boot director. */
export interface BootAnswer {
  /** For TFTP: the path on `serverAddress`. */
  readonly fileName: string;
  /** IPv4 address of the TFTP server. */
  readonly serverAddress: string;
  /** The same by HTTP: what UEFI HTTP Boot needs, and what iPXE takes when it is there. */
  readonly url?: string;
}

/** Undefined: do not answer this machine. */
export type BootLookup = (client: BootClient) => BootAnswer | undefined;

/** Why a good packet gets no answer. */
export type IgnoreReason =
  | 'not-a-request'
  | 'not-dhcp'
  | 'not-ethernet'
  | 'own-probe'
  | 'not-a-boot-client'
  | 'not-for-a-proxy'
  | 'no-boot-answer'
  | 'no-url'
  | 'not-registered'
  | 'no-subnet'
  | 'no-address'
  | 'pool-empty'
  | 'for-another-server'
  | 'unknown-lease'
  | 'message-type'
  | 'nothing-to-say';

export interface Destination {
  readonly address: string;
  readonly port: number;
}

/** What becomes of a lease with the decision. */
export interface LeaseChange {
  readonly kind: 'offer' | 'bind' | 'release' | 'decline' | 'refuse-offer';
  readonly address: Ipv4;
}

export type Decision =
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason; readonly change?: LeaseChange }
  | {
      readonly kind: 'reply';
      readonly packet: DhcpPacket;
      readonly to: Destination;
      readonly maxBytes: number;
      readonly change?: LeaseChange;
    };

/** No answer, for a counted reason; a declined or released address is a change all the same. */
export function ignore(reason: IgnoreReason, change?: LeaseChange): Decision {
  return { kind: 'ignore', reason, ...(change === undefined ? {} : { change }) };
}

/**
 * Where an answer goes (RFC 2131 §4.1). A client without an address that did not ask for a broadcast gets one nevertheless:
 * a unicast to an address that it has not yet needs a raw socket, and every client listens to broadcasts.
 */
export function destinationOf(request: DhcpPacket, reply: DhcpPacket): Destination {
  if (request.giaddr !== NO_ADDRESS) return { address: formatAddress(request.giaddr), port: SERVER_PORT };
  const isNak = messageTypeOf(reply) === message.nak;
  const target = isNak || request.ciaddr === NO_ADDRESS ? LIMITED_BROADCAST : request.ciaddr;
  return { address: formatAddress(target), port: CLIENT_PORT };
}

/** A NAK through a relay must be broadcast by it: the client has no good address (RFC 2131 §4.3.2). */
export function nakFlags(request: DhcpPacket): number {
  return request.giaddr === NO_ADDRESS ? request.flags : request.flags | FLAG_BROADCAST;
}

/**
 * The longest answer that the client takes: option 57 counts the IP and UDP headers. OVMF says 65280 in its REQUEST (1472 in its
 * DISCOVER), so it is held within one Ethernet packet.
 */
export function maxReplyBytes(request: DhcpPacket): number {
  const data = request.options.get(option.maxMessageSize);
  const said = data?.length === 2 ? data.readUInt16BE(0) - 28 : SAFE_PACKET_BYTES;
  return Math.min(Math.max(said, SAFE_PACKET_BYTES), 1472);
}

/** Options that every answer carries back as they came: the relay's (RFC 3046 §2.2) and the client's id (RFC 6842). */
export function echoedOptions(request: DhcpPacket): [number, Buffer][] {
  return [option.clientId, option.relayAgent].flatMap((code) => {
    const data = request.options.get(code);
    return data === undefined ? [] : [[code, data] as [number, Buffer]];
  });
}

/** The value of an option that holds addresses: four bytes each, in order (RFC 2132). */
export function addressBytes(...addresses: readonly Ipv4[]): Buffer {
  const bytes = Buffer.alloc(4 * addresses.length);
  for (const [i, address] of addresses.entries()) bytes.writeUInt32BE(address, 4 * i);
  return bytes;
}
