/** The agent API on a further address: the same routes, on a server of its own. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { knownError } from '#protocol/errors.ts';
import type { App } from './app.ts';

/** After the app is ready. Throws PORT_TAKEN. Answers what closes it. */
export async function listenAlso(app: App, address: string, port: number): Promise<{ close(): Promise<void> }> {
  const server: Server = createServer((request, response) => app.routing(request, response));
  server.timeout = app.server.timeout;
  server.requestTimeout = app.server.requestTimeout;
  server.keepAliveTimeout = app.server.keepAliveTimeout;
  try {
    server.listen(port, address);
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw knownError('PORT_TAKEN', { port, address }, { cause: error });
  }
  return {
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
