/**
 * Which address belongs to whom. Leases are kept in SQLite, so they survive a restart; offers live in memory for seconds.
 * An address that was never used is given first, then the one that has been free longest, so that a machine which comes back
 * finds its old address (RFC 2131 §4.3.1).
 */
import type { LeaseView } from '#protocol/admin/dhcp-api.ts';
import type { Clock } from '#system/clock.ts';
import type { KeptClock } from '../../db/kept-clock.ts';
import type { LeaseRow, LeaseTable } from '../../db/lease-table.ts';
import { formatAddress, type Ipv4, isSameNetwork, readAddress } from './address.ts';
import type { LeaseChange } from './decision.ts';
import type { Subnet } from './subnet.ts';

/** An offer that is not taken is free again after this. Slow firmware takes some 15 s between OFFER and REQUEST. */
export const OFFER_MS = 30_000;
/** An address that somebody else was found to use is left alone for this long. */
export const QUARANTINE_MS = 600_000;

/** Who asks. `key` tells leases apart; the MAC alone or option 61 (the server decides). */
export interface LeaseClient {
  readonly key: string;
  readonly mac: string;
  /** Option 12, for people. */
  readonly hostName?: string;
}

/** Addresses that are kept for single machines. */
export interface Reservations {
  /** Undefined: none for this MAC. */
  addressOf(mac: string): Ipv4 | undefined;
  /** MAC for which an address is kept. */
  macOf(address: Ipv4): string | undefined;
}

interface Lease {
  readonly client: LeaseClient;
  readonly state: 'offered' | 'bound' | 'released' | 'declined';
  /** For people. */
  readonly startedMs: number;
  /** By the kept clock. Declined: the end of the quarantine. Released: when that was. */
  readonly expiresMs: number;
}

export const noReservations: Reservations = { addressOf: () => undefined, macOf: () => undefined };

export class LeasePool {
  readonly #subnets: readonly Subnet[];
  readonly #reservations: Reservations;
  readonly #serverAddresses: readonly Ipv4[];
  readonly #table: LeaseTable;
  readonly #clock: Clock;
  readonly #kept: KeptClock;
  /** By address. */
  readonly #leases = new Map<Ipv4, Lease>();
  /** Address of each client in each network. */
  readonly #addressOf = new Map<string, Ipv4>();
  /** By network: every address of the pool below it has a lease. */
  readonly #unusedFrom = new Map<Ipv4, Ipv4>();

  constructor(o: {
    readonly subnets: readonly Subnet[];
    /** The server's own, on every interface: never given. */
    readonly serverAddresses: readonly Ipv4[];
    readonly table: LeaseTable;
    readonly clock: Clock;
    /** Leases end by it. */
    readonly kept: KeptClock;
    readonly reservations?: Reservations;
  }) {
    this.#subnets = o.subnets;
    this.#serverAddresses = o.serverAddresses;
    this.#table = o.table;
    this.#clock = o.clock;
    this.#kept = o.kept;
    this.#reservations = o.reservations ?? noReservations;
    for (const row of o.table.all()) this.#load(row);
  }

  /** The address that the client has, had or was offered there, if nobody else has it now; a reservation comes first. */
  heldBy(client: LeaseClient, subnet: Subnet): Ipv4 | undefined {
    const reserved = this.#reservedIn(client, subnet);
    if (reserved !== undefined) return reserved;
    const address = this.#addressOf.get(keyIn(subnet, client));
    const lease = address === undefined ? undefined : this.#leases.get(address);
    return lease !== undefined && lease.state !== 'declined' ? address : undefined;
  }

  /** What a DISCOVER is to be offered; undefined when nothing is free. `wanted` is option 50. */
  offerFor(client: LeaseClient, subnet: Subnet, wanted: Ipv4 | undefined): Ipv4 | undefined {
    for (const address of [this.heldBy(client, subnet), wanted]) {
      if (address !== undefined && this.canHave(client, address, subnet)) return address;
    }
    return this.#neverUsed(client, subnet) ?? this.#longestFree(client, subnet);
  }

  canHave(client: LeaseClient, address: Ipv4, subnet: Subnet): boolean {
    const reserved = this.#reservedIn(client, subnet);
    if (reserved === undefined ? !this.#isInPool(address, subnet) : address !== reserved) return false;
    const keptFor = this.#reservations.macOf(address);
    if (keptFor !== undefined && keptFor !== client.mac) return false;
    const lease = this.#leases.get(address);
    if (lease === undefined || this.#isFree(lease)) return true;
    return lease.client.key === client.key && lease.state !== 'declined';
  }

  isOthers(client: LeaseClient, address: Ipv4): boolean {
    const lease = this.#leases.get(address);
    return lease !== undefined && lease.client.key !== client.key && !this.#isFree(lease);
  }

  /** The client has the address now, so that nobody needs to ask the network whether it is free. */
  isHolding(client: LeaseClient, address: Ipv4): boolean {
    const lease = this.#leases.get(address);
    return lease !== undefined && lease.client.key === client.key && !this.#isFree(lease) && lease.state !== 'declined';
  }

  /** May be repeated. A change that is bound to outlive a restart is on disk when this returns. */
  apply(change: LeaseChange, client: LeaseClient, subnet: Subnet): void {
    const startedMs = this.#clock.nowMs();
    const keptMs = this.#kept.keptMs();
    const lease = this.#leases.get(change.address);
    switch (change.kind) {
      case 'offer': {
        const isBound = lease?.state === 'bound' && this.isHolding(client, change.address);
        if (!isBound) this.#set(change.address, { client, state: 'offered', startedMs, expiresMs: keptMs + OFFER_MS });
        return;
      }
      case 'refuse-offer':
        if (lease?.state === 'offered') this.#set(change.address, { ...lease, state: 'released', expiresMs: keptMs });
        return;
      case 'bind':
        this.#keep(change.address, {
          client,
          state: 'bound',
          startedMs: lease?.state === 'bound' && lease.client.key === client.key ? lease.startedMs : startedMs,
          expiresMs: this.#kept.endOf(subnet.leaseS * 1000),
        });
        return;
      case 'release':
        if (lease !== undefined) this.#keep(change.address, { ...lease, state: 'released', expiresMs: keptMs });
        return;
      case 'decline':
        this.quarantine(change.address, client);
    }
  }

  /** Somebody who has no lease uses the address: it is not given for a while. `client` found it out. */
  quarantine(address: Ipv4, client: LeaseClient): void {
    const [startedMs, expiresMs] = [this.#clock.nowMs(), this.#kept.endOf(QUARANTINE_MS)];
    this.#keep(address, { client, state: 'declined', startedMs, expiresMs });
  }

  /** In order of addresses. */
  list(): LeaseView[] {
    const keptMs = this.#kept.keptMs();
    return [...this.#leases]
      .sort(([a], [b]) => a - b)
      .filter(([, { state, expiresMs }]) => (state !== 'offered' && state !== 'declined') || expiresMs > keptMs)
      .map(([address, { client, state, startedMs, expiresMs }]) => ({
        address: formatAddress(address),
        mac: client.mac,
        ...(client.hostName === undefined ? {} : { hostName: client.hostName }),
        state: state === 'bound' && expiresMs <= keptMs ? 'expired' : state,
        startedMs,
        expiresMs: this.#kept.readableMs(expiresMs),
      }));
  }

  #load(row: LeaseRow): void {
    const address = readAddress(row.address);
    if (address === undefined || this.#subnetWith(address) === undefined) return;
    const client: LeaseClient = {
      key: row.client,
      mac: row.mac,
      ...(row.host_name === null ? {} : { hostName: row.host_name }),
    };
    this.#set(address, { client, state: row.state, startedMs: row.started_ms, expiresMs: row.expires_ms });
  }

  #keep(address: Ipv4, lease: Lease & { readonly state: LeaseRow['state'] }): void {
    this.#set(address, lease);
    this.#table.put({
      address: formatAddress(address),
      client: lease.client.key,
      mac: lease.client.mac,
      host_name: lease.client.hostName ?? null,
      state: lease.state,
      started_ms: lease.startedMs,
      expires_ms: lease.expiresMs,
    });
  }

  #set(address: Ipv4, lease: Lease): void {
    const subnet = this.#subnetWith(address);
    if (subnet === undefined) return;
    const former = this.#leases.get(address);
    const formerKey = former === undefined ? undefined : keyIn(subnet, former.client);
    if (formerKey !== undefined && this.#addressOf.get(formerKey) === address) this.#addressOf.delete(formerKey);
    this.#leases.set(address, lease);
    if (lease.state !== 'declined') this.#addressOf.set(keyIn(subnet, lease.client), address);
  }

  #neverUsed(client: LeaseClient, subnet: Subnet): Ipv4 | undefined {
    let address = this.#unusedFrom.get(subnet.network) ?? subnet.first;
    while (address <= subnet.last && this.#leases.has(address)) address++;
    this.#unusedFrom.set(subnet.network, address);
    while (address <= subnet.last && !this.#isUnused(client, address, subnet)) address++;
    return address <= subnet.last ? address : undefined;
  }

  #isUnused(client: LeaseClient, address: Ipv4, subnet: Subnet): boolean {
    return !this.#leases.has(address) && this.#isGivable(client, address, subnet);
  }

  #longestFree(client: LeaseClient, subnet: Subnet): Ipv4 | undefined {
    let best: { address: Ipv4; expiresMs: number } | undefined;
    for (const [address, lease] of this.#leases) {
      if (best !== undefined && lease.expiresMs >= best.expiresMs) continue;
      if (this.#isFree(lease) && this.#isGivable(client, address, subnet))
        best = { address, expiresMs: lease.expiresMs };
    }
    return best?.address;
  }

  /** A reservation of the client's own that is in quarantine does not keep it from a plain address. */
  #isGivable(client: LeaseClient, address: Ipv4, subnet: Subnet): boolean {
    const keptFor = this.#reservations.macOf(address);
    return this.#isInPool(address, subnet) && (keptFor === undefined || keptFor === client.mac);
  }

  #isInPool(address: Ipv4, subnet: Subnet): boolean {
    if (address < subnet.first || address > subnet.last) return false;
    return !this.#serverAddresses.includes(address) && address !== subnet.network && address !== subnet.broadcast;
  }

  #isFree(lease: Lease): boolean {
    return lease.state === 'released' || lease.expiresMs <= this.#kept.keptMs();
  }

  #reservedIn(client: LeaseClient, subnet: Subnet): Ipv4 | undefined {
    const address = this.#reservations.addressOf(client.mac);
    const isThere = address !== undefined && isSameNetwork(address, subnet.network, subnet.netmask);
    const isQuarantined =
      isThere && this.#leases.get(address)?.state === 'declined' && !this.#isFree(this.#leases.get(address)!);
    return isThere && !isQuarantined ? address : undefined;
  }

  #subnetWith(address: Ipv4): Subnet | undefined {
    return this.#subnets.find((one) => isSameNetwork(address, one.network, one.netmask));
  }
}

function keyIn(subnet: Subnet, client: LeaseClient): string {
  return `${subnet.network}/${client.key}`;
}
