/**
 * Of the admin API: the finishers that there are, and which ones groups and images choose.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /finishers | → FinisherView[], the built-in ones first |
 * | POST   /finishers | NewFinisher → FinisherView |
 * | DELETE /finishers/NAME | → 204. Not a built-in one, nor one that is chosen or under way |
 * | POST   /groups/GROUP/finishers · /images/IMAGE/finishers | { finishers: NAME[] or null } → FinisherDefault |
 */
import { type Static, Type } from 'typebox';
import { finisherStepSchema, MAX_LIMIT_S, onErrorSchema } from '../finisher.ts';
import { timeMs } from './time.ts';

export const finisherViewSchema = Type.Object({
  name: Type.String(),
  isBuiltIn: Type.Boolean(),
  scope: Type.String(),
  ...{ onError: onErrorSchema, limitS: Type.Integer() },
  to: finisherStepSchema.properties.to,
  digest: finisherStepSchema.properties.digest,
  bytes: Type.Optional(Type.Integer()),
  createdAtMs: Type.Optional(timeMs),
  /** Whose default it is: `group room-101`, `image win11-lab`. */
  chosenBy: Type.Array(Type.String()),
});
export type FinisherView = Static<typeof finisherViewSchema>;

export const newFinisherSchema = Type.Object({
  name: Type.String(),
  /** Base64. */
  content: Type.String(),
  onError: onErrorSchema,
  limitS: Type.Integer({ minimum: 1, maximum: MAX_LIMIT_S }),
  to: finisherStepSchema.properties.to,
});
export type NewFinisher = Static<typeof newFinisherSchema>;

export const finisherDefaultSchema = Type.Object({
  /** `group room-101`. */
  of: Type.String(),
  /** Null: nothing is said; the next in the row session, group, image counts. */
  finishers: Type.Union([Type.Array(Type.String()), Type.Null()]),
});
export type FinisherDefault = Static<typeof finisherDefaultSchema>;
