/** Who runs the CLI, as it tells the daemon for the audit log. */
import { userInfo } from 'node:os';
import { ACTOR_PATTERN } from '#protocol/actor.ts';

/** Whoever became root by sudo is meant by their own name. */
export function statedUser(sudoUser: string | undefined): string {
  const uid = process.geteuid?.() ?? 0;
  const name = uid === 0 && sudoUser ? sudoUser : nameOf(uid);
  return new RegExp(ACTOR_PATTERN).test(name) ? name : `uid ${uid}`;
}

function nameOf(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    // No entry in passwd(5).
    return `uid ${uid}`;
  }
}
