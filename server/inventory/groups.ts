/** Named sets of hosts. */
import type { GroupSettings, GroupView } from '#protocol/admin/group-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import { parseDiskRule } from '#protocol/disk-rule.ts';
import { knownError } from '#protocol/errors.ts';
import { ChoiceTable } from '../db/choice-table.ts';
import type { Database } from '../db/database.ts';
import { type GroupRow, GroupTable } from '../db/group-table.ts';
import type { EventLog } from './events.ts';
import type { Hosts } from './hosts.ts';
import { byName, checkName } from './name.ts';

export class Groups {
  #database: Database;
  #table: GroupTable;
  #choices: ChoiceTable;
  #hosts: Hosts;
  #events: EventLog;

  constructor(options: { database: Database; hosts: Hosts; events: EventLog }) {
    this.#database = options.database;
    this.#table = new GroupTable(options.database);
    this.#choices = new ChoiceTable(options.database);
    this.#hosts = options.hosts;
    this.#events = options.events;
  }

  /** In name order; the hosts of each too. */
  list(): GroupView[] {
    const hosts = this.#hosts.list();
    return this.#table
      .all()
      .map((row) =>
        this.#viewOf(
          row,
          hosts.filter((host) => host.groups.includes(row.name)),
        ),
      )
      .sort(byName);
  }

  /** Throws NAME_INVALID, GROUP_EXISTS. */
  create(name: string): GroupView {
    this.#checkFree(name);
    this.#table.insert(name);
    this.#note('created', `The group ${name} was made`);
    return { name, hosts: [] };
  }

  /** Throws GROUP_UNKNOWN, NAME_INVALID, GROUP_EXISTS. */
  rename(group: string, name: string): GroupView {
    const row = this.#rowOf(group);
    if (name !== group) {
      this.#checkFree(name);
      this.#table.setName(row.group_id, name);
      this.#note('renamed', `The group ${group} is now called ${name}`);
    }
    return this.#view({ ...row, name });
  }

  /** Throws GROUP_UNKNOWN. */
  requireKnown(group: string): void {
    this.#rowOf(group);
  }

  /** Puts hosts into the group: all or none; those that are in it stay. Throws GROUP_UNKNOWN, HOST_UNKNOWN. */
  addHosts(group: string, hosts: readonly string[]): GroupView {
    return this.#change(group, hosts, 'joined', (groupId, hostId) => this.#table.addMember(groupId, hostId));
  }

  /** Takes hosts out of the group: all or none; those that are not in it stay out. Throws GROUP_UNKNOWN, HOST_UNKNOWN. */
  removeHosts(group: string, hosts: readonly string[]): GroupView {
    return this.#change(group, hosts, 'left', (groupId, hostId) => this.#table.removeMember(groupId, hostId));
  }

  /** Again is harmless. Throws GROUP_UNKNOWN, DISK_RULE_INVALID. */
  set(group: string, { disk }: GroupSettings): GroupView {
    return this.#database.transaction(() => {
      const row = this.#rowOf(group);
      if (disk === undefined || disk === row.disk_rule) return this.#view(row);
      if (disk !== null) parseDiskRule(disk);
      this.#table.setDiskRule(row.group_id, disk);
      const text = disk === null ? 'is not said any more' : `is ${disk}`;
      this.#note('disk-rule', `The disk of the hosts of ${group} ${text}`);
      return this.#view({ ...row, disk_rule: disk });
    })();
  }

  /** Removes the group; its hosts stay. Throws GROUP_UNKNOWN. */
  remove(group: string): void {
    this.#table.remove(this.#rowOf(group).group_id);
    this.#note('removed', `The group ${group} was removed`);
  }

  #change(
    group: string,
    refs: readonly string[],
    action: 'joined' | 'left',
    change: (groupId: number, hostId: number) => boolean,
  ): GroupView {
    return this.#database.transaction(() => {
      const row = this.#rowOf(group);
      for (const host of this.#hosts.resolve(refs, [])) {
        if (!change(row.group_id, host.hostId)) continue;
        const text = `${host.name} ${action} the group ${group}`;
        this.#events.add({ subject: 'group', action, text, hostId: host.hostId, host: host.name });
      }
      return this.#view(row);
    })();
  }

  #checkFree(name: string): void {
    checkName(name, 'group');
    if (this.#table.byName(name) !== undefined) throw knownError('GROUP_EXISTS', { group: name });
  }

  #rowOf(group: string): GroupRow {
    const row = this.#table.byName(group);
    if (row === undefined) throw knownError('GROUP_UNKNOWN', { group });
    return row;
  }

  #view(row: GroupRow): GroupView {
    const hosts = this.#table.membersOf(row.group_id).map((hostId) => this.#hosts.byId(hostId)!);
    return this.#viewOf(row, hosts.sort(byName));
  }

  #viewOf({ name, disk_rule }: GroupRow, hosts: readonly HostView[]): GroupView {
    const names = hosts.map((host) => host.name);
    return {
      name,
      hosts: names,
      ...(disk_rule === null ? {} : { disk: disk_rule }),
      ...this.#choices.shownOf('group', name),
    };
  }

  #note(action: string, text: string): void {
    this.#events.add({ subject: 'group', action, text });
  }
}
