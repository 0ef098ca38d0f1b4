/** The hosts that the daemon knows: by name, by MAC, and how lately their agents spoke. */
import type { HostSettings, HostView, ImportAnswer, NewHost } from '#protocol/admin/host-api.ts';
import type { Inventory } from '#protocol/agent-api.ts';
import { type DiskIdentity, identityOf, isSameDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { Database } from '../db/database.ts';
import { type GroupRow, GroupTable } from '../db/group-table.ts';
import { type HostRow, HostTable } from '../db/host-table.ts';
import type { EventLog } from './events.ts';
import { HostFinder } from './host-finder.ts';
import { type HostLine, invalidLine, parseHostList } from './host-list.ts';
import { HostPresence } from './host-presence.ts';
import { HostSettingsKeeper } from './host-settings.ts';
import { normalizeMac } from './mac.ts';
import { checkName } from './name.ts';
import { normalizeSystemUuid } from './system-uuid.ts';

/** Unknown machines beyond this many are not written down: anybody on the network can invent MACs. */
export const MAX_PENDING_HOSTS = 2000;

export interface HostsOptions {
  readonly database: Database;
  readonly events: EventLog;
  readonly clock: Clock;
  /** A host is `presence: 'agent'` while its agent spoke within this time. */
  readonly lostAfterMs: number;
  /** The running session of a host; the sessions are made after the hosts (services.ts). */
  readonly runningSessionOf?: (hostId: number) => number | undefined;
  /** Why DHCP cannot keep this IPv4 address for a host; undefined: it can. */
  readonly addressProblem?: (address: string) => string | undefined;
}

export class Hosts {
  /** How lately their agents spoke. */
  readonly presence: HostPresence;
  /** What an admin has set for one host. */
  readonly settings: HostSettingsKeeper;
  #database: Database;
  #hosts: HostTable;
  #groups: GroupTable;
  #events: EventLog;
  #finder: HostFinder;
  #clock: Clock;
  #runningSessionOf: (hostId: number) => number | undefined;

  constructor(options: HostsOptions) {
    this.#database = options.database;
    this.#hosts = new HostTable(options.database);
    this.#groups = new GroupTable(options.database);
    this.#events = options.events;
    this.#clock = options.clock;
    this.presence = new HostPresence({ ...options, table: this.#hosts });
    this.#runningSessionOf = options.runningSessionOf ?? (() => undefined);
    this.#finder = new HostFinder({
      ...{ hosts: this.#hosts, groups: this.#groups, presence: this.presence },
      runningSessionOf: this.#runningSessionOf,
    });
    const addressProblem = options.addressProblem ?? (() => undefined);
    this.settings = new HostSettingsKeeper({ table: this.#hosts, events: options.events, addressProblem });
  }

  /** All hosts in name order (pc-2 before pc-10). */
  list(): HostView[] {
    return this.#finder.all();
  }

  count(): number {
    return this.#hosts.count();
  }

  /** `ref` is a name, an id or a MAC; a name wins. Throws HOST_UNKNOWN. */
  get(ref: string): HostView {
    return this.#finder.view(this.#finder.rowOf(ref));
  }

  byId(hostId: number): HostView | undefined {
    const row = this.#hosts.byId(hostId);
    return row === undefined ? undefined : this.#finder.view(row);
  }

  /** The hosts named and the members of the groups: each once, in name order. Throws HOST_UNKNOWN, GROUP_UNKNOWN, GROUP_EMPTY. */
  resolve(hosts: readonly string[], groups: readonly string[]): HostView[] {
    return this.#finder.resolve(hosts, groups);
  }

  /**
   * Adds an approved host. A pending host that has one of the MACs becomes this one.
   * Throws NAME_INVALID, HOST_EXISTS, MAC_INVALID, MAC_TAKEN.
   */
  add(host: NewHost): HostView {
    const macs = [...new Set(host.macs.map(normalizeMac))];
    checkName(host.name, 'host');
    for (const group of host.groups ?? []) checkName(group, 'group');
    return this.#inTransaction(() => {
      const owners = macs.map((mac) => this.#hosts.byMac(mac));
      const pending = owners.find((owner) => owner?.approval === 'pending');
      owners.forEach((owner, i) => {
        if (owner !== undefined && owner.host_id !== pending?.host_id) {
          throw knownError('MAC_TAKEN', { mac: macs[i]!, host: owner.name });
        }
      });
      const hostId = pending === undefined ? this.#insert(host.name) : this.#adopt(pending, host.name);
      macs.forEach((mac, i) => {
        if (owners[i] === undefined) this.#hosts.addMac(hostId, mac);
      });
      for (const group of host.groups ?? []) this.#joinGroup(group, hostId);
      return this.byId(hostId)!;
    });
  }

  /** Adds all hosts of a list or none. The same list again changes nothing. Throws CSV_INVALID. */
  importCsv(csv: string): ImportAnswer {
    const lines = parseHostList(csv);
    return this.#inTransaction(() => {
      const answer: ImportAnswer = { added: 0, updated: 0, unchanged: 0, hosts: [] };
      for (const line of lines) {
        answer[this.#importLine(line)]++;
        answer.hosts.push(line.name);
      }
      return answer;
    });
  }

  /** Lets a pending host take part; a host that is approved stays so. Throws HOST_UNKNOWN. */
  approve(ref: string): HostView {
    return this.#inTransaction(() => {
      const row = this.#finder.rowOf(ref);
      if (row.approval === 'pending') this.#approve(row.host_id, row.name);
      return this.byId(row.host_id)!;
    });
  }

  /** Throws HOST_UNKNOWN, NAME_INVALID, HOST_EXISTS. */
  rename(ref: string, name: string): HostView {
    checkName(name, 'host');
    return this.#inTransaction(() => {
      const row = this.#finder.rowOf(ref);
      this.#rename(row, name);
      return this.byId(row.host_id)!;
    });
  }

  /** Again is harmless. Throws HOST_UNKNOWN, SECURE_ON_INVALID, ADDRESS_INVALID, ADDRESS_TAKEN, DISK_RULE_INVALID. */
  set(ref: string, settings: HostSettings): HostView {
    return this.#inTransaction(() => {
      const row = this.#finder.rowOf(ref);
      this.settings.change(row, settings);
      return this.byId(row.host_id)!;
    });
  }

  /** Forgets a host, its groups and tokens; its history stays. Throws HOST_UNKNOWN, HOST_BUSY. */
  remove(ref: string): void {
    this.#inTransaction(() => {
      const row = this.#finder.rowOf(ref);
      const session = this.#runningSessionOf(row.host_id);
      if (session !== undefined) throw knownError('HOST_BUSY', { host: row.name, session });
      this.#hosts.remove(row.host_id);
      this.presence.forget(row.host_id);
      this.#note(row.host_id, row.name, 'removed', `${row.name} was removed`);
    });
  }

  /**
   * A machine asks what to boot. An unknown one is written down as pending, with a name from its MAC; undefined when there are
   * too many of those. Throws MAC_INVALID.
   */
  sawBoot(macText: string, uuidText?: string): HostView | undefined {
    const mac = normalizeMac(macText);
    const uuid = normalizeSystemUuid(uuidText);
    const known = this.#hosts.byMac(mac);
    if (known !== undefined) {
      this.#hosts.setBooted(known.host_id, this.#clock.nowMs());
      if (known.system_uuid === null && uuid !== undefined) this.#hosts.setSystemUuid(known.host_id, uuid);
      return this.byId(known.host_id);
    }
    if (this.#hosts.count('pending') >= MAX_PENDING_HOSTS) return undefined;
    return this.#inTransaction(() => {
      const name = this.#freeName(`host-${mac.replaceAll(':', '')}`);
      const hostId = this.#hosts.insert({ name, approval: 'pending', systemUuid: uuid }, this.#clock.nowMs());
      this.#hosts.addMac(hostId, mac);
      this.#hosts.setBooted(hostId, this.#clock.nowMs());
      this.#note(
        hostId,
        name,
        'appeared',
        `An unknown machine, ${mac}, asked what to boot; it waits for approval as ${name}`,
      );
      return this.byId(hostId)!;
    });
  }

  /** Its agent has come, with this inventory. */
  hello(hostId: number, inventory: Inventory): HostView {
    const uuid = normalizeSystemUuid(inventory.systemUuid);
    this.#inTransaction(() => {
      this.#hosts.setInventory(hostId, JSON.stringify(inventory));
      if (uuid !== undefined) this.#hosts.setSystemUuid(hostId, uuid);
    });
    this.presence.noteSeen(hostId);
    return this.byId(hostId)!;
  }

  /** What lies on a disk of a host now, until its next hello says so itself. Nothing happens when the host or the disk is gone. */
  noteDiskContent(hostId: number, disk: DiskIdentity, content: string): void {
    const inventory = presentInventory(this.#hosts.byId(hostId));
    const known = inventory?.disks.find((one) => isSameDisk(identityOf(one), disk));
    if (inventory === undefined || known === undefined || known.content === content) return;
    const disks = inventory.disks.map((one) => (one === known ? { ...one, content } : one));
    this.#hosts.setInventory(hostId, JSON.stringify({ ...inventory, disks }));
  }

  #importLine({ line, name, mac, group }: HostLine): 'added' | 'updated' | 'unchanged' {
    const owner = this.#hosts.byMac(mac);
    const namesake = this.#hosts.byName(name);
    if (owner !== undefined && owner.name !== name && owner.approval === 'approved') {
      throw invalidLine(line, `the MAC ${mac} belongs to host ${owner.name}`);
    }
    if (namesake !== undefined && namesake.host_id !== owner?.host_id) {
      const macs = this.#hosts.macsOf(namesake.host_id).join(', ');
      throw invalidLine(line, `there is already a host ${name}, with the MAC ${macs}`);
    }
    const isChanged = owner !== undefined && owner.approval === 'pending';
    let hostId = owner?.host_id;
    if (isChanged) this.#adopt(owner, name);
    if (hostId === undefined) {
      hostId = this.#insert(name);
      this.#hosts.addMac(hostId, mac);
    }
    const hasJoined = group !== undefined && this.#joinGroup(group, hostId);
    if (owner === undefined) return 'added';
    return isChanged || hasJoined ? 'updated' : 'unchanged';
  }

  #insert(name: string): number {
    if (this.#hosts.byName(name) !== undefined) throw knownError('HOST_EXISTS', { host: name });
    const hostId = this.#hosts.insert({ name, approval: 'approved' }, this.#clock.nowMs());
    this.#note(hostId, name, 'added', `${name} was added`);
    return hostId;
  }

  #adopt(pending: HostRow, name: string): number {
    this.#rename(pending, name);
    this.#approve(pending.host_id, name);
    return pending.host_id;
  }

  #rename(row: HostRow, name: string): void {
    if (row.name === name) return;
    if (this.#hosts.byName(name) !== undefined) throw knownError('HOST_EXISTS', { host: name });
    this.#hosts.setName(row.host_id, name);
    this.#note(row.host_id, name, 'renamed', `${row.name} is now called ${name}`);
  }

  #approve(hostId: number, name: string): void {
    this.#hosts.approve(hostId);
    this.#note(hostId, name, 'approved', `${name} was approved`);
  }

  /** Makes the group when it is not there. True when the host was not in it. */
  #joinGroup(name: string, hostId: number): boolean {
    const group: GroupRow = this.#groups.byName(name) ?? this.#groups.insert(name);
    return this.#groups.addMember(group.group_id, hostId);
  }

  #freeName(wanted: string): string {
    let name = wanted;
    for (let n = 2; this.#hosts.byName(name) !== undefined; n++) name = `${wanted}-${n}`;
    return name;
  }

  #note(hostId: number, host: string, action: string, text: string): void {
    this.#events.add({ subject: 'host', action, hostId, host, text });
  }

  #inTransaction<T>(change: () => T): T {
    return this.#database.transaction(change)();
  }
}

function presentInventory(row: HostRow | undefined): Inventory | undefined {
  return row?.inventory == null ? undefined : (JSON.parse(row.inventory) as Inventory);
}
