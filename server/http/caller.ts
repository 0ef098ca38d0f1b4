/** Who makes a call of the admin API, as far as a call can tell. */
import { ACTOR_HEADER, ACTOR_PATTERN } from '#protocol/actor.ts';
import { actingAs } from '../inventory/actor.ts';
import type { App } from './app.ts';

/** A caller that does not say who it is. */
const UNNAMED = 'admin';

/**
 * Does what each call asks on behalf of its caller. The socket lets nobody in who may not do everything, and Node does not tell the uid
 * of a unix peer, so the name is what the caller states: a log for honest admins.
 */
export function noteCallers(app: App): void {
  // Not sooner: reading the body would lose it.
  app.addHook('preHandler', (request, _reply, done) => {
    const stated = request.headers[ACTOR_HEADER];
    const isGood = typeof stated === 'string' && new RegExp(ACTOR_PATTERN).test(stated);
    actingAs(isGood ? stated : UNNAMED, done);
  });
}
