/** The secrets that an order names: fetched sealed (protocol/sealed-secret.ts), kept in memory alone, and no longer than they are needed. */
import type { ServerLink } from '../server-link.ts';

/** In the order's own order; whoever asks forgets them. Throws what the server refuses, AGENT_FAILED when a secret was not sealed to this agent. */
export async function readSecrets(
  { taskId, luksSecrets = [] }: { readonly taskId: number; readonly luksSecrets?: readonly string[] },
  link: Pick<ServerLink, 'readSecret'>,
  signal: AbortSignal,
): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  try {
    for (const name of luksSecrets) keys.push(await link.readSecret(taskId, name, signal));
    return keys;
  } catch (error) {
    forgetSecrets(keys);
    throw error;
  }
}

/** Overwrites them: a buffer that is let go keeps what it holds until its memory is used again. May be called twice. */
export function forgetSecrets(keys: readonly Uint8Array[]): void {
  for (const key of keys) key.fill(0);
}
