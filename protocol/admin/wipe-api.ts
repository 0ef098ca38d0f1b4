/**
 * Of the admin API: wiping disks.
 *
 * | call | body → answer |
 * |---|---|
 * | POST   /plans/wipe · /sessions/wipe | WipeRequest · + planId → WipePlan · SessionView |
 */
import { type Static, Type } from 'typebox';
import { wipeMethodSchema } from '../wipe.ts';
import { onDoneSchema, onFailureSchema } from './afterwards.ts';
import { planHostSchema } from './plan-api.ts';

export const wipeRequestSchema = Type.Object({
  hosts: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  /** Disk rule for every host (disk-rule.ts): what is to be lost for good must be said. */
  disk: Type.String({ minLength: 1 }),
  method: wipeMethodSchema,
  onDone: onDoneSchema,
  onFailure: Type.Optional(onFailureSchema),
  skipRefused: Type.Boolean(),
  /** Required to start a session: the plan that the admin saw. */
  planId: Type.Optional(Type.String()),
});
export type WipeRequest = Static<typeof wipeRequestSchema>;

export const wipePlanSchema = Type.Object({
  /** Hash of the plan: method, hosts, disks. */
  planId: Type.String(),
  method: wipeMethodSchema,
  hosts: Type.Array(planHostSchema),
});
export type WipePlan = Static<typeof wipePlanSchema>;
