/**
 * On whose behalf something happens: an admin, or `schedule NAME`. It goes with the asynchronous work that a call begins, so that
 * the audit log knows it without every function on the way handing it on. What runs on afterwards takes leave by actingAs(undefined).
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const actors = new AsyncLocalStorage<string | undefined>();

/** Everything that `action` does, and what it awaits, is done on behalf of this actor; undefined: of nobody. */
export function actingAs<Result>(actor: string | undefined, action: () => Result): Result {
  return actors.run(actor, action);
}

/** Undefined: it happens by itself. */
export function presentActor(): string | undefined {
  return actors.getStore();
}
