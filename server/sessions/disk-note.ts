/** What the server knows of a host's disk beyond the host's last hello: a task changes it, and the next plan must say what would be lost. Pure. */
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';

/** States in which an agent writes. */
const WRITING: ReadonlySet<TaskRow['state']> = new Set(['receiving', 'repairing']);

/** The new content of the task's disk; undefined when this state changes nothing. */
export function diskNoteOf(
  session: Pick<SessionRow, 'kind' | 'sessionId' | 'image' | 'version'>,
  task: Pick<TaskRow, 'state' | 'deployResult'>,
): string | undefined {
  if (session.kind === 'wipe') {
    if (task.state === 'succeeded') return '';
    return task.state === 'finishing' ? `half-wiped by session ${session.sessionId}` : undefined;
  }
  if (session.kind !== 'deploy') return undefined;
  if (task.state === 'succeeded') return task.deployResult?.disk.content;
  if (!WRITING.has(task.state)) return undefined;
  return `half-written by session ${session.sessionId} (${session.image}@${session.version})`;
}
