/**
 * Of the admin API: hosts. Their history is told by receipts (receipt-api.ts).
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /hosts · /hosts/HOST | → HostView[] · HostView. HOST is a name or an id |
 * | POST   /hosts | NewHost → HostView |
 * | POST   /hosts/import | { csv } → ImportAnswer |
 * | POST   /hosts/HOST/approve · /hosts/HOST/rename | – · { name } → HostView |
 * | POST   /hosts/HOST/set | HostSettings → HostView |
 * | POST   /hosts/HOST/wake | → WakeAnswer. Sends magic packets and does not wait for the host |
 * | POST   /hosts/HOST/power | { action: reboot or poweroff } → HostView. Only a host in the agent that no session has |
 * | DELETE /hosts/HOST | → 204 |
 */
import { type Static, Type } from 'typebox';
import { inventorySchema } from '../agent-api.ts';
import { nameSchema } from './name.ts';
import { timeMs } from './time.ts';

/** A disk rule (disk-rule.ts) and who set it: `the session`, `the host`, `the group NAME`. */
export const chosenRuleSchema = Type.Object({ rule: Type.String(), from: Type.String() });
export type ChosenRule = Static<typeof chosenRuleSchema>;

export const hostViewSchema = Type.Object({
  hostId: Type.Integer(),
  name: nameSchema,
  /** pending: seen, not approved; it boots its local disk. */
  approval: Type.Union([Type.Literal('pending'), Type.Literal('approved')]),
  macs: Type.Array(Type.String()),
  systemUuid: Type.Optional(Type.String()),
  groups: Type.Array(Type.String()),
  /** agent: its agent speaks to the server now. */
  presence: Type.Union([Type.Literal('agent'), Type.Literal('away')]),
  lastSeenMs: Type.Optional(timeMs),
  /** When its firmware last asked the server what to boot. */
  lastBootMs: Type.Optional(timeMs),
  /** Address that DHCP keeps for it. */
  address: Type.Optional(Type.String()),
  /** Its magic packets carry a password. */
  hasSecureOn: Type.Optional(Type.Boolean()),
  /** Disk rules for when a session gives none: its own, or else those of its groups. */
  diskRules: Type.Optional(Type.Array(chosenRuleSchema)),
  session: Type.Optional(Type.Integer()),
  inventory: Type.Optional(inventorySchema),
});
export type HostView = Static<typeof hostViewSchema>;

/** What is absent stays as it is; null removes it. */
export const hostSettingsSchema = Type.Object({
  /** Six bytes as 00:11:22:33:44:55, which its network card wants in a magic packet. */
  secureOn: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  address: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  /** Disk rule for when a session gives none. */
  disk: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
export type HostSettings = Static<typeof hostSettingsSchema>;

/** The host is up when it has been seen, or has asked what to boot, since `wokenAtMs`. */
export const wakeAnswerSchema = Type.Object({ host: hostViewSchema, wokenAtMs: timeMs });
export type WakeAnswer = Static<typeof wakeAnswerSchema>;

export const powerActionSchema = Type.Union([Type.Literal('reboot'), Type.Literal('poweroff')]);
export type PowerAction = Static<typeof powerActionSchema>;

export const newHostSchema = Type.Object({
  name: Type.String(),
  macs: Type.Array(Type.String(), { minItems: 1 }),
  groups: Type.Optional(Type.Array(Type.String())),
});
export type NewHost = Static<typeof newHostSchema>;

export const importAnswerSchema = Type.Object({
  added: Type.Integer(),
  /** Hosts that were known: approved, renamed or put into a group by this import. */
  updated: Type.Integer(),
  unchanged: Type.Integer(),
  hosts: Type.Array(Type.String()),
});
export type ImportAnswer = Static<typeof importAnswerSchema>;
