/** Finds hosts by name, id, MAC or group, and shows them with all that is known of them. */
import type { HostView } from '#protocol/admin/host-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { GroupTable } from '../db/group-table.ts';
import type { HostRow, HostTable } from '../db/host-table.ts';
import type { HostPresence } from './host-presence.ts';
import { type AboutHost, viewHost } from './host-view.ts';
import { readMac } from './mac.ts';
import { byName } from './name.ts';

export interface HostFinderOptions {
  readonly hosts: HostTable;
  readonly groups: GroupTable;
  readonly presence: HostPresence;
  runningSessionOf(hostId: number): number | undefined;
}

export class HostFinder {
  readonly #options: HostFinderOptions;

  constructor(options: HostFinderOptions) {
    this.#options = options;
  }

  /** In name order (pc-2 before pc-10). */
  all(): HostView[] {
    const { hosts, groups } = this.#options;
    const macs = hosts.allMacs();
    const names = groups.allNames();
    const rules = groups.allDiskRules();
    const views = hosts.all().map((row) => {
      const { host_id: id } = row;
      return this.#viewOf(row, macs.get(id) ?? [], names.get(id) ?? [], rules.get(id) ?? []);
    });
    return views.sort(byName);
  }

  /** The hosts named and the members of the groups: each once, in name order. Throws HOST_UNKNOWN, GROUP_UNKNOWN, GROUP_EMPTY. */
  resolve(refs: readonly string[], groupNames: readonly string[]): HostView[] {
    const { hosts, groups } = this.#options;
    const rows = new Map<number, HostRow>();
    for (const ref of refs) {
      const row = this.rowOf(ref);
      rows.set(row.host_id, row);
    }
    for (const name of groupNames) {
      const group = groups.byName(name);
      if (group === undefined) throw knownError('GROUP_UNKNOWN', { group: name });
      const members = groups.membersOf(group.group_id);
      if (members.length === 0) throw knownError('GROUP_EMPTY', { group: name });
      for (const hostId of members) rows.set(hostId, hosts.byId(hostId)!);
    }
    return [...rows.values()].map((row) => this.view(row)).sort(byName);
  }

  /** `ref` is a name, an id or a MAC; a name wins. Throws HOST_UNKNOWN. */
  rowOf(ref: string): HostRow {
    const { hosts } = this.#options;
    const byNumber = /^\d{1,15}$/.test(ref) ? hosts.byId(Number(ref)) : undefined;
    const row = hosts.byName(ref) ?? byNumber ?? hosts.byMac(readMac(ref) ?? '');
    if (row === undefined) throw knownError('HOST_UNKNOWN', { host: ref });
    return row;
  }

  view(row: HostRow): HostView {
    const { hosts, groups } = this.#options;
    const { host_id: id } = row;
    return this.#viewOf(row, hosts.macsOf(id), groups.namesOf(id), groups.diskRulesOf(id));
  }

  #viewOf(row: HostRow, macs: string[], groups: string[], groupRules: AboutHost['groupRules']): HostView {
    const { presence, runningSessionOf } = this.#options;
    const seenMs = presence.lastSeenMs(row);
    const isHere = presence.isHere(row.host_id);
    return viewHost(row, { macs, groups, groupRules, seenMs, isHere, session: runningSessionOf(row.host_id) });
  }
}
