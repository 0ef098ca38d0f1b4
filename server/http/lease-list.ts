/** The leases as the admin sees them: with the hosts for which addresses are kept. Pure. */
import { isIPv4 } from 'node:net';
import type { LeaseView } from '#protocol/admin/dhcp-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';

/** In order of addresses. */
export function withReservations(leases: readonly LeaseView[], hosts: readonly HostView[]): LeaseView[] {
  const kept = new Map(
    hosts.flatMap(({ address, name, macs }) => (address === undefined ? [] : [[address, { name, macs }]])),
  );
  const given = leases.map((lease) => {
    const owner = kept.get(lease.address);
    kept.delete(lease.address);
    return owner === undefined ? lease : { ...lease, reservedFor: owner.name };
  });
  const waiting = [...kept].map(([address, { name, macs }]) => ({
    ...{ address, mac: macs[0] ?? '', state: 'reserved' as const, reservedFor: name },
  }));
  return [...given, ...waiting].sort((a, b) => numberOf(a.address) - numberOf(b.address));
}

function numberOf(address: string): number {
  return isIPv4(address) ? address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) : 0;
}
