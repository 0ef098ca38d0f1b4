/**
 * Of the admin API: the secrets that the server keeps for hosts. No answer has the content of one.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /secrets | → SecretView[] |
 * | POST   /secrets | NewSecret → SecretView |
 * | DELETE /secrets/NAME | → 204. Not while a session runs that names it |
 */
import { type Static, Type } from 'typebox';
import { MAX_SECRET_BYTES } from '../secret.ts';
import { timeMs } from './time.ts';

export const secretViewSchema = Type.Object({ name: Type.String(), createdAtMs: timeMs });
export type SecretView = Static<typeof secretViewSchema>;

export const newSecretSchema = Type.Object({
  name: Type.String(),
  /** Base64, byte for byte what opens a container. */
  content: Type.String({ minLength: 1, maxLength: Math.ceil(MAX_SECRET_BYTES / 3) * 4 }),
});
export type NewSecret = Static<typeof newSecretSchema>;
