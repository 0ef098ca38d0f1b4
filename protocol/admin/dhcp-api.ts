/**
 * Of the admin API: what its DHCP server has given, and what others are to be told.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /dhcp/leases | → LeaseView[]. Empty unless DHCP gives addresses |
 * | GET    /dhcp/external/KIND | → { text }: a snippet for a DHCP server of KIND isc, kea, dnsmasq or windows |
 */
import { type Static, Type } from 'typebox';
import { timeMs } from './time.ts';

/**
 * An address that the DHCP server gave, or offers, leaves alone because somebody uses it without a lease (declined), or keeps for
 * a host that has not asked for it yet (reserved).
 */
export const leaseViewSchema = Type.Object({
  address: Type.String(),
  mac: Type.String(),
  /** As the client says. */
  hostName: Type.Optional(Type.String()),
  state: Type.Enum(['offered', 'bound', 'expired', 'released', 'declined', 'reserved']),
  /** Name of the host for which the address is kept. */
  reservedFor: Type.Optional(Type.String()),
  /** Absent: reserved, not given. */
  startedMs: Type.Optional(timeMs),
  expiresMs: Type.Optional(timeMs),
});
export type LeaseView = Static<typeof leaseViewSchema>;

/** DHCP servers for which there is a snippet. */
export const externalKinds = ['isc', 'kea', 'dnsmasq', 'windows'] as const;
export const externalSnippetSchema = Type.Object({ text: Type.String() });
