/** The interface of the deployment network: which one it is, and the server's address there. */
import { existsSync, readdirSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { knownError } from '#protocol/errors.ts';

export interface DeploymentNetwork {
  readonly interface: string;
  /** The server's IPv4 address on it. */
  readonly address: string;
  /** The network's broadcast address; absent where there is none (a /31 or /32). */
  readonly broadcast?: string;
}

/**
 * Picks the named interface, or the only one that has an IPv4 address and is not the loopback. `interfaces` is what
 * os.networkInterfaces() says, and `links` every link's name (an interface without address is missing in the former).
 * Throws INTERFACE_MISSING, INTERFACE_NO_ADDRESS, INTERFACE_AMBIGUOUS.
 */
export function chooseNetwork(
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
  links: readonly string[],
  wanted?: string,
): DeploymentNetwork {
  const candidates = Object.entries(interfaces).flatMap(([name, infos]) => {
    const info = infos?.find((one) => one.family === 'IPv4');
    return info === undefined ? [] : [{ name, info }];
  });
  if (wanted !== undefined) {
    const chosen = candidates.find(({ name }) => name === wanted);
    if (chosen !== undefined) return describe(chosen.name, chosen.info);
    if (links.includes(wanted)) throw knownError('INTERFACE_NO_ADDRESS', { interface: wanted });
    throw knownError('INTERFACE_MISSING', { interface: wanted, known: links.join(', ') });
  }
  const outward = candidates.filter(({ info }) => !info.internal);
  if (outward.length === 1) return describe(outward[0]!.name, outward[0]!.info);
  if (outward.length > 1) {
    const known = outward.map(({ name, info }) => `${name} (${info.address})`).join(', ');
    throw knownError('INTERFACE_AMBIGUOUS', { known });
  }
  const others = links.filter((name) => name !== 'lo');
  if (others.length === 0)
    throw knownError('INTERFACE_MISSING', { interface: 'with an address', known: links.join(', ') });
  throw knownError('INTERFACE_NO_ADDRESS', { interface: others[0]! });
}

/** A cap of an interface to which nothing is cast would be without effect. Throws INTERFACE_WITHOUT_CASTS. */
export function requireCastsOn(
  network: Pick<DeploymentNetwork, 'interface'>,
  named: readonly { readonly name: string }[],
): void {
  const found = named.find(({ name }) => name !== network.interface)?.name;
  if (found !== undefined) throw knownError('INTERFACE_WITHOUT_CASTS', { found, interface: network.interface });
}

/** The last address of the network, from a dotted netmask; undefined when the network has no room for one. */
export function broadcastOf(address: string, netmask: string): string | undefined {
  const [host, mask] = [toNumber(address), toNumber(netmask)];
  const inverse = ~mask >>> 0;
  if (inverse <= 1) return undefined;
  const broadcast = (host | inverse) >>> 0;
  return [24, 16, 8, 0].map((shift) => (broadcast >>> shift) & 0xff).join('.');
}

/** Every network link, the ones without address too. */
export function linkNames(): string[] {
  const folder = '/sys/class/net';
  return existsSync(folder) ? readdirSync(folder) : Object.keys(networkInterfaces());
}

function describe(name: string, info: NetworkInterfaceInfo): DeploymentNetwork {
  const broadcast = broadcastOf(info.address, info.netmask);
  return { interface: name, address: info.address, ...(broadcast === undefined ? {} : { broadcast }) };
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => ((sum << 8) | Number(part)) >>> 0, 0);
}
