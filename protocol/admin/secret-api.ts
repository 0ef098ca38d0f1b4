/**
 * Of the admin API: the secrets that the server keeps for hosts. No answer has the content of one.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /secrets | → SecretView[] |
 * | POST   /secrets | NewSecret → SecretView |
 * | DELETE /secrets/NAME | → 204. Not while a session runs that names it |
 * | POST   /groups/GROUP/luks-secrets · /images/IMAGE/luks-secrets | { luksSecrets: NAME[] or null } → LuksChoice |
 */
import { type Static, Type } from 'typebox';
import { luksSecretsSchema, MAX_SECRET_BYTES } from '../secret.ts';
import { timeMs } from './time.ts';

export const secretViewSchema = Type.Object({
  name: Type.String(),
  createdAtMs: timeMs,
  /** Whose default it is: `group room-101`, `image debian`. */
  chosenBy: Type.Array(Type.String()),
});
export type SecretView = Static<typeof secretViewSchema>;

export const luksChoiceSchema = Type.Object({
  /** `group room-101`. */
  of: Type.String(),
  /** Null: nothing is said; the next in the row session, group, image counts. */
  luksSecrets: Type.Union([luksSecretsSchema, Type.Null()]),
});
export type LuksChoice = Static<typeof luksChoiceSchema>;

export const newSecretSchema = Type.Object({
  name: Type.String(),
  /** Base64, byte for byte what opens a container. */
  content: Type.String({ minLength: 1, maxLength: Math.ceil(MAX_SECRET_BYTES / 3) * 4 }),
});
export type NewSecret = Static<typeof newSecretSchema>;
