/** Which addresses may be kept for a host in full mode. */
import { broadcastOf, isSameNetwork, parseAddress } from './address.ts';

/** Why the address cannot be kept; undefined: it can. It may lie outside the pool, but not outside the server's own network. */
export function reservationProblem(
  text: string,
  network: { readonly address: string; readonly netmask: string },
): string | undefined {
  const [address, server, netmask] = [text, network.address, network.netmask].map(parseAddress) as [
    number,
    number,
    number,
  ];
  if (!isSameNetwork(address, server, netmask))
    return `it is not in the network of ${network.address}/${network.netmask}`;
  if (address === server) return 'it is the address of the server';
  const isEnd = address === broadcastOf(server, netmask) || address === (server & netmask) >>> 0;
  return isEnd ? 'it is the network itself or its broadcast address' : undefined;
}
