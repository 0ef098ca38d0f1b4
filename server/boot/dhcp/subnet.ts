/** A network in which full mode gives addresses. */
import { broadcastOf, type Ipv4, isSameNetwork, NO_ADDRESS } from './address.ts';
import { option } from './option.ts';
import type { DhcpPacket } from './packet.ts';

export interface Subnet {
  readonly network: Ipv4;
  readonly netmask: Ipv4;
  readonly broadcast: Ipv4;
  /** First and last address of the pool. */
  readonly first: Ipv4;
  readonly last: Ipv4;
  readonly leaseS: number;
  readonly router?: Ipv4;
  readonly dns: readonly Ipv4[];
  readonly ntp: readonly Ipv4[];
  readonly domain?: string;
}

/** Sub-option of option 82 (RFC 3527): the network for the client, when giaddr is only the relay's own address. */
const LINK_SELECTION = 5;

/** `inside` is any address of the network. */
export function makeSubnet(
  inside: Ipv4,
  netmask: Ipv4,
  rest: Pick<Subnet, 'first' | 'last' | 'leaseS'> & Partial<Pick<Subnet, 'router' | 'dns' | 'ntp' | 'domain'>>,
): Subnet {
  return {
    dns: [],
    ntp: [],
    ...rest,
    network: (inside & netmask) >>> 0,
    netmask,
    broadcast: broadcastOf(inside, netmask),
  };
}

/**
 * Where the client of a request is (RFC 2131 §4.3.1); undefined when it is in a network that we do not serve. A broadcast without
 * a relay comes from the interface's own network, whatever address the client says that it has; one that renews behind a relay
 * writes to us alone, so there its address tells.
 */
export function subnetOf(
  request: DhcpPacket,
  subnets: readonly Subnet[],
  heard: { readonly by: 'broadcast' | 'unicast'; readonly serverAddress: Ipv4 },
): Subnet | undefined {
  const find = (address: Ipv4) => subnets.find((one) => isSameNetwork(address, one.network, one.netmask));
  if (request.giaddr !== NO_ADDRESS) return find(linkOf(request.options.get(option.relayAgent)) ?? request.giaddr);
  if (heard.by === 'unicast' && request.ciaddr !== NO_ADDRESS) return find(request.ciaddr);
  return find(heard.serverAddress);
}

function linkOf(relay: Buffer | undefined): Ipv4 | undefined {
  if (relay === undefined) return undefined;
  for (let at = 0; at + 2 <= relay.length; at += 2 + relay[at + 1]!) {
    const isWhole = at + 2 + relay[at + 1]! <= relay.length;
    if (isWhole && relay[at] === LINK_SELECTION && relay[at + 1] === 4) return relay.readUInt32BE(at + 2);
  }
  return undefined;
}
