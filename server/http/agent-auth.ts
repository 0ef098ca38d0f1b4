/** Lets in agents that show their token, and nobody else but on the routes that say `isOpen`. */
import type { FastifyRequest } from 'fastify';
import { knownError } from '#protocol/errors.ts';
import type { App } from './app.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route needs no agent token. */
    isOpen?: true;
  }
  interface FastifyRequest {
    /** The host whose agent asks; 0 on open routes. */
    hostId: number;
  }
}

/**
 * Denies by default: the hook stands before every route of the app, the ones that do not exist too, and before any body is read.
 * `hostOfAgent` knows the tokens; `onCall` hears of every good call.
 */
export function requireAgentToken(
  app: App,
  hostOfAgent: (token: string) => number | undefined,
  onCall: (hostId: number) => void,
): void {
  app.decorateRequest('hostId', 0);
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config?.isOpen === true) return;
    const token = bearerOf(request);
    if (token === undefined) throw knownError('TOKEN_REFUSED', { reason: 'there is none' });
    const hostId = hostOfAgent(token);
    if (hostId === undefined)
      throw knownError('TOKEN_REFUSED', { reason: 'it is unknown, or the host has a newer one' });
    request.hostId = hostId;
    onCall(hostId);
  });
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer ([\w-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
}
