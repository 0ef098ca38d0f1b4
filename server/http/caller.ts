/** Who makes a call of the admin API. */
import type { Socket } from 'node:net';
import { ACTOR_HEADER, ACTOR_PATTERN } from '#protocol/actor.ts';
import { peerUid } from '#system/peer-uid.ts';
import { run } from '#system/run.ts';
import { actingAs } from '../inventory/actor.ts';
import type { App } from './app.ts';

/** Root that does not say for whom. */
const UNNAMED = 'admin';

/**
 * Does what each call asks on behalf of its caller. Root may speak for anybody, as under sudo: it is believed. Anybody else is
 * who the kernel says, whatever they state.
 */
export function noteCallers(app: App): void {
  const names = new WeakMap<Socket, Promise<string | undefined>>();
  const provenName = (socket: Socket) => {
    const known = names.get(socket) ?? nameOfPeer(socket);
    names.set(socket, known);
    return known;
  };
  // Not sooner: reading the body would lose it.
  app.addHook('preHandler', (request, _reply, done) => {
    const stated = request.headers[ACTOR_HEADER];
    const isGood = typeof stated === 'string' && new RegExp(ACTOR_PATTERN).test(stated);
    provenName(request.socket).then((proven) => actingAs(proven ?? (isGood ? stated : UNNAMED), done), done);
  });
}

/** Undefined: root, or nobody knows. */
async function nameOfPeer(socket: Socket): Promise<string | undefined> {
  const uid = await peerUid(socket);
  if (uid === undefined || uid === 0) return undefined;
  // Asks passwd(5), and whatever else nsswitch.conf(5) names. Code 2: no such user.
  const { stdout } = await run(['getent', 'passwd', String(uid)], { okCodes: [0, 2] });
  const name = stdout.split(':')[0] ?? '';
  return new RegExp(ACTOR_PATTERN).test(name) ? name : `uid ${uid}`;
}
