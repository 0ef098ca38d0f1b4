/** The secrets that an order names: fetched sealed (protocol/sealed-secret.ts), kept in memory alone. */
import type { ServerLink } from '../server-link.ts';

/** In the order's own order. Throws what the server refuses, AGENT_FAILED when a secret was not sealed to this agent. */
export async function readSecrets(
  { taskId, luksSecrets = [] }: { readonly taskId: number; readonly luksSecrets?: readonly string[] },
  link: Pick<ServerLink, 'readSecret'>,
  signal: AbortSignal,
): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  for (const name of luksSecrets) keys.push(await link.readSecret(taskId, name, signal));
  return keys;
}
