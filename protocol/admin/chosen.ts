/** Of the admin API: what a group or an image chooses when a session says nothing of it. */
import { type Static, Type } from 'typebox';

/** Absent: it chooses nothing. */
export const chosenSchema = Type.Object({
  /** What runs when all is laid, in order. */
  finishers: Type.Optional(Type.Array(Type.String())),
  /** Names of the secrets that open LUKS containers. */
  luksSecrets: Type.Optional(Type.Array(Type.String())),
});
export type Chosen = Static<typeof chosenSchema>;
