/** What the CLI says when it has started a session and does not follow it. */
import type { SessionView } from '#protocol/admin/session-api.ts';
import { type Invocation, show } from './invocation.ts';
import { describeStartPolicy } from './start-policy.ts';
import { headlineOf } from './watch-view.ts';

export function tellStarted(invocation: Invocation, session: SessionView): void {
  show(invocation, session, describeStarted);
}

/** The session and the commands that make sense now. */
function describeStarted(session: SessionView): string {
  const id = session.sessionId;
  const lines = [`${headlineOf(session)}.`, `  Watch:  fleetcast session watch ${id}`];
  if (session.start && session.start.when !== 'now') {
    lines.splice(1, 0, `  The cast starts ${describeStartPolicy(session.start)}.`);
    lines.push(`  Start with whoever is ready:  fleetcast session start-now ${id}`);
  }
  return [...lines, `  Cancel: fleetcast session cancel ${id}`].join('\n');
}
