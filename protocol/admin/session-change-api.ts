/**
 * Of the admin API: changes of a running session.
 *
 * | call | body → answer |
 * |---|---|
 * | POST /sessions/ID/set | SessionSettings → SessionView. Only while it gathers |
 * | POST /plans/sessions/ID/add | AddedHosts → DeployPlan. Changes nothing |
 * | POST /sessions/ID/add | AddedHosts + planId → SessionView |
 * | POST /sessions/ID/remove | RemovedHosts → SessionView |
 */
import { type Static, Type } from 'typebox';
import { deployRequestSchema, startPolicySchema } from './deploy-api.ts';

export const sessionSettingsSchema = Type.Object({ start: startPolicySchema });
export type SessionSettings = Static<typeof sessionSettingsSchema>;

/** Hosts that are in the session already are no hosts to add: they are passed over. */
export const addedHostsSchema = Type.Object({
  hosts: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  /** Absent: the disk rule of the session. */
  disk: deployRequestSchema.properties.disk,
  skipRefused: Type.Boolean(),
  /** Required to add them: the plan that the admin saw. */
  planId: Type.Optional(Type.String()),
});
export type AddedHosts = Static<typeof addedHostsSchema>;

export const removedHostsSchema = Type.Object({ hosts: Type.Array(Type.String(), { minItems: 1 }) });
export type RemovedHosts = Static<typeof removedHostsSchema>;
