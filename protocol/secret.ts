/** Secrets that the server keeps for hosts: passphrases and key files of LUKS containers. Requests name them; their content is in no answer. */
import { Type } from 'typebox';

/** Of one secret, in bytes. cryptsetup takes key files of 8 MiB; what anybody uses is far below this. */
export const MAX_SECRET_BYTES = 64 * 1024;
/** Secrets that one request may name: cryptsetup has eight key slots in version 1. */
export const MAX_LUKS_SECRETS = 8;

/**
 * Names of secrets. Capture: each is tried on each LUKS container. Deploy: the first opens the containers that are made, the others
 * open them too; nothing else does.
 */
export const luksSecretsSchema = Type.Array(Type.String({ minLength: 1, maxLength: 63 }), {
  minItems: 1,
  maxItems: MAX_LUKS_SECRETS,
  uniqueItems: true,
});
