/** Errors about secrets, and the LUKS containers that they open. */
import type { ErrorTexts } from './error-text.ts';

export const secretErrors = {
  SECRET_UNKNOWN: {
    status: 404,
    message: 'There is no secret {secret}',
    next: 'See: fleetcast secret list   or add it: fleetcast secret add {secret} --from-file FILE',
  },
  SECRET_EXISTS: {
    status: 409,
    message: 'There is already a secret {secret}',
    next: 'Choose another name, or first: fleetcast secret remove {secret}',
  },
  SECRET_INVALID: {
    status: 400,
    message: 'This cannot be the secret {secret}: {problem}',
    next: 'See: fleetcast secret add --help',
  },
  SECRET_IN_USE: {
    status: 409,
    message: 'Session {session} gives the secret {secret} to its hosts',
    next: 'Wait for its end: fleetcast session show {session}',
  },
  LUKS_SECRET_MISSING: {
    status: 409,
    message:
      '{host}: {image} carries what lies in LUKS containers ({count}), and neither session nor group nor image says what is to open them',
    next: 'Say it: --luks-secret NAME, or for good: fleetcast group set GROUP --luks-secret NAME   (fleetcast secret list; fleetcast secret add NAME --from-file FILE)',
  },
  LUKS_SECRETS_DIFFER: {
    status: 409,
    message: '{host} is in groups that choose different secrets for LUKS containers: {secrets}',
    next: 'Name them: fleetcast deploy … --luks-secret A,B',
  },
  LUKS_KEY_REFUSED: {
    status: 409,
    message: '{host}: no secret that was given opens the LUKS container on {where}',
    next: 'Add the right passphrase (fleetcast secret add NAME --from-file FILE) and name it: --luks-secret NAME. Without the option a capture carries the container as it is',
  },
  LUKS_FAILED: {
    status: 500,
    message: '{host}: a LUKS container on {disk} cannot be made or opened: {reason}',
    next: 'Look at the host: fleetcast host show {host}. What containers need is in docs/luks.md',
  },
} as const satisfies ErrorTexts;
