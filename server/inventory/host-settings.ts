/** What an admin sets for one host: the SecureOn password of its magic packets, the address that DHCP keeps for it, its disk. */
import { isIPv4 } from 'node:net';
import type { HostSettings } from '#protocol/admin/host-api.ts';
import type { Inventory } from '#protocol/agent-api.ts';
import { parseDiskRule } from '#protocol/disk-rule.ts';
import { knownError } from '#protocol/errors.ts';
import type { HostRow, HostTable } from '../db/host-table.ts';
import type { EventLog } from './events.ts';
import { readSixBytes } from './mac.ts';

export interface HostSettingsKeeperOptions {
  readonly table: HostTable;
  readonly events: EventLog;
  /** Why DHCP cannot keep this IPv4 address for a host; undefined: it can. */
  addressProblem(address: string): string | undefined;
}

export class HostSettingsKeeper {
  #options: HostSettingsKeeperOptions;

  constructor(options: HostSettingsKeeperOptions) {
    this.#options = options;
  }

  /** Call it in a transaction. Again is harmless. Throws SECURE_ON_INVALID, ADDRESS_INVALID, ADDRESS_TAKEN, DISK_RULE_INVALID. */
  change(row: HostRow, settings: HostSettings): void {
    if (settings.secureOn !== undefined) this.#setSecureOn(row, settings.secureOn);
    if (settings.address !== undefined) this.#setAddress(row, settings.address);
    if (settings.disk !== undefined) this.#setDiskRule(row, settings.disk);
  }

  /** What the magic packets of this host must carry. */
  secureOnOf(hostId: number): string | undefined {
    return this.#options.table.byId(hostId)?.secure_on ?? undefined;
  }

  /** Address that DHCP keeps for this network card: of a host with several only the one it boots from gets it. */
  addressKeptFor(mac: string): string | undefined {
    const row = this.#options.table.byMac(mac);
    return row?.address != null && this.#bootMacOf(row) === mac ? row.address : undefined;
  }

  /** The network card for which DHCP keeps the address. */
  macKeeping(address: string): string | undefined {
    const row = this.#options.table.byAddress(address);
    return row === undefined ? undefined : this.#bootMacOf(row);
  }

  #setSecureOn(row: HostRow, text: string | null): void {
    const password = text === null ? null : readSixBytes(text);
    if (password === undefined) throw knownError('SECURE_ON_INVALID', { password: text! });
    if (password === row.secure_on) return;
    this.#options.table.setSecureOn(row.host_id, password);
    const what = password === null ? 'without' : 'with';
    this.#note(row, 'secure-on', `${row.name} is woken ${what} a SecureOn password from now on`);
  }

  #setAddress(row: HostRow, address: string | null): void {
    if (address === row.address) return;
    if (address !== null) {
      const problem = isIPv4(address) ? this.#options.addressProblem(address) : 'it is not an IPv4 address';
      if (problem !== undefined) throw knownError('ADDRESS_INVALID', { address, host: row.name, problem });
      const owner = this.#options.table.byAddress(address);
      if (owner !== undefined) throw knownError('ADDRESS_TAKEN', { address, owner: owner.name });
    }
    this.#options.table.setAddress(row.host_id, address);
    const text = address === null ? `No address is kept for ${row.name}` : `${address} is kept for ${row.name}`;
    this.#note(row, 'address', text);
  }

  #setDiskRule(row: HostRow, rule: string | null): void {
    if (rule === row.disk_rule) return;
    if (rule !== null) parseDiskRule(rule);
    this.#options.table.setDiskRule(row.host_id, rule);
    this.#note(row, 'disk-rule', `The disk of ${row.name} ${rule === null ? 'is not said any more' : `is ${rule}`}`);
  }

  #bootMacOf(row: HostRow): string | undefined {
    const macs = this.#options.table.macsOf(row.host_id);
    const seen = row.inventory === null ? undefined : (JSON.parse(row.inventory) as Inventory).mac;
    return seen !== undefined && macs.includes(seen) ? seen : macs[0];
  }

  #note(row: HostRow, action: string, text: string): void {
    this.#options.events.add({ subject: 'host', action, hostId: row.host_id, host: row.name, text });
  }
}
