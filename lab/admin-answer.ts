/** A question to the admin API of a lab's daemon, without the CLI between. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

/** GET. Throws when nobody answers on the socket within 10 s. */
export async function askAdmin(socketPath: string, path: string): Promise<{ status: number; text: string }> {
  const asked = request({ socketPath, path, agent: false, timeout: 10_000 });
  asked.on('timeout', () => asked.destroy(new Error('no answer within 10 s')));
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return { status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() };
}
