/** What full mode needs on all interfaces together: the subnets and one pool of leases. */
import { knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { KeptClock } from '../db/kept-clock.ts';
import type { LeaseTable } from '../db/lease-table.ts';
import type { BootInterface } from './boot-interface.ts';
import { isSameNetwork, parseAddress, parseNetwork } from './dhcp/address.ts';
import { LeasePool, type Reservations } from './dhcp/lease-pool.ts';
import { makeSubnet, type Subnet } from './dhcp/subnet.ts';

/** A `[[boot.subnet]]` of the config. */
export interface SubnetSettings {
  readonly network: string;
  readonly poolFirst: string;
  readonly poolLast: string;
  readonly leaseS: number;
  readonly router?: string;
  readonly dns: readonly string[];
  readonly ntp: readonly string[];
  readonly domain?: string;
}

/** The subnets of the config, whose texts were checked when it was read. */
export function readSubnets(settings: readonly SubnetSettings[]): Subnet[] {
  return settings.map((one) => {
    const { address, netmask } = parseNetwork(one.network);
    return makeSubnet(address, netmask, {
      first: parseAddress(one.poolFirst),
      last: parseAddress(one.poolLast),
      leaseS: one.leaseS,
      dns: one.dns.map(parseAddress),
      ntp: one.ntp.map(parseAddress),
      ...(one.router === undefined ? {} : { router: parseAddress(one.router) }),
      ...(one.domain === undefined ? {} : { domain: one.domain }),
    });
  });
}

/** Undefined when no interface is in the mode full. Throws BOOT_SUBNET_MISSING. */
export function makeLeasePool(o: {
  readonly subnets: readonly Subnet[];
  readonly interfaces: readonly BootInterface[];
  readonly leases: LeaseTable;
  readonly reservations: Reservations;
  readonly clock: Clock;
  readonly kept: KeptClock;
}): LeasePool | undefined {
  const full = o.interfaces.filter(({ dhcp }) => dhcp === 'full');
  if (full.length === 0) return undefined;
  for (const { interface: device, address } of full) {
    const isServed = o.subnets.some((one) => isSameNetwork(parseAddress(address), one.network, one.netmask));
    if (!isServed) throw knownError('BOOT_SUBNET_MISSING', { interface: device, address });
  }
  return new LeasePool({
    subnets: o.subnets,
    serverAddresses: o.interfaces.map(({ address }) => parseAddress(address)),
    table: o.leases,
    clock: o.clock,
    kept: o.kept,
    reservations: o.reservations,
  });
}
