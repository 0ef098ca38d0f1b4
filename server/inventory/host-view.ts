/** A host as the admin API shows it. Pure. */
import type { ChosenRule, HostView } from '#protocol/admin/host-api.ts';
import type { Inventory } from '#protocol/agent-api.ts';
import type { HostRow } from '../db/host-table.ts';

/** What is known of a host besides its row. */
export interface AboutHost {
  readonly macs: string[];
  readonly groups: string[];
  /** Disk rules of its groups. */
  readonly groupRules: readonly { readonly group: string; readonly rule: string }[];
  readonly seenMs: number | undefined;
  readonly isHere: boolean;
  /** The running session that has it. */
  readonly session: number | undefined;
}

export function viewHost(row: HostRow, { macs, groups, groupRules, seenMs, isHere, session }: AboutHost): HostView {
  const diskRules: ChosenRule[] =
    row.disk_rule !== null
      ? [{ rule: row.disk_rule, from: 'the host' }]
      : groupRules.map(({ group, rule }) => ({ rule, from: `the group ${group}` }));
  return {
    hostId: row.host_id,
    name: row.name,
    approval: row.approval,
    macs,
    ...(row.system_uuid === null ? {} : { systemUuid: row.system_uuid }),
    groups,
    presence: isHere ? 'agent' : 'away',
    ...(seenMs === undefined ? {} : { lastSeenMs: seenMs }),
    ...(row.last_boot_ms === null ? {} : { lastBootMs: row.last_boot_ms }),
    ...(row.address === null ? {} : { address: row.address }),
    ...(row.secure_on === null ? {} : { hasSecureOn: true }),
    ...(diskRules.length === 0 ? {} : { diskRules }),
    ...(session === undefined ? {} : { session }),
    ...(row.inventory === null ? {} : { inventory: JSON.parse(row.inventory) as Inventory }),
  };
}
