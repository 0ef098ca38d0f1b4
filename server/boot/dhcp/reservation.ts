/** Which addresses may be kept for a host in full mode. */
import { formatAddress, type Ipv4, isSameNetwork, parseAddress } from './address.ts';
import type { Subnet } from './subnet.ts';

/**
 * Why the address cannot be kept; undefined: it can. It may lie outside the pool, but not outside the networks that are served; its
 * host gets it in that network, and another from the pool of any other.
 */
export function reservationProblem(
  text: string,
  subnets: readonly Subnet[],
  serverAddresses: readonly Ipv4[],
): string | undefined {
  const address = parseAddress(text);
  const subnet = subnets.find((one) => isSameNetwork(address, one.network, one.netmask));
  if (subnet === undefined)
    return `it is in none of the networks of [[boot.subnet]]: ${subnets.map(nameOf).join(', ')}`;
  if (serverAddresses.includes(address)) return 'it is the address of the server';
  const isEnd = address === subnet.broadcast || address === subnet.network;
  return isEnd ? 'it is the network itself or its broadcast address' : undefined;
}

function nameOf({ network, netmask }: Subnet): string {
  return `${formatAddress(network)}/${32 - Math.log2(2 ** 32 - netmask)}`;
}
