/** What the server knows of a host's disk beyond the host's last hello: a task changes it, and the next plan must say what would be lost. Pure. */

import type { DiskIdentity } from '#protocol/disk.ts';
import { hasFailed } from '#protocol/failed-disk.ts';
import type { DiskResult } from '#protocol/task-result.ts';
import { disksOf } from '#protocol/twin.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';

export interface DiskNote {
  readonly disk: DiskIdentity;
  readonly content: string;
}

/** States in which an agent writes. */
const WRITING: ReadonlySet<TaskRow['state']> = new Set(['receiving', 'repairing']);

/** The new content of the task's disks; those that this state changes nothing of are left out. */
export function diskNotesOf(
  session: Pick<SessionRow, 'kind' | 'sessionId' | 'image' | 'version'>,
  task: Pick<TaskRow, 'state' | 'disk' | 'twins' | 'deployResult' | 'wipeResult'>,
): DiskNote[] {
  return disksOf(task).flatMap((disk, i) => {
    const content = contentOf(session, task, i);
    return content === undefined ? [] : [{ disk, content }];
  });
}

/** Of the task's disk number `i`, from 0. */
function contentOf(
  session: Pick<SessionRow, 'kind' | 'sessionId' | 'image' | 'version'>,
  { state, deployResult, wipeResult }: Pick<TaskRow, 'state' | 'deployResult' | 'wipeResult'>,
  i: number,
): string | undefined {
  if (session.kind === 'wipe') {
    // A task that has failed with one of its disks may have wiped others.
    const wiped = wipeResult?.disks?.[i];
    if (state === 'succeeded' || (wiped !== undefined && !hasFailed(wiped))) return '';
    return state === 'finishing' ? `half-wiped by session ${session.sessionId}` : undefined;
  }
  if (session.kind !== 'deploy') return undefined;
  // A task that has failed with one of its disks may have completed others.
  const own: DiskResult | undefined = deployResult?.disks?.[i] ?? (state === 'succeeded' ? deployResult : undefined);
  if (own !== undefined) return own.error === undefined ? own.disk.content : undefined;
  if (!WRITING.has(state)) return undefined;
  return `half-written by session ${session.sessionId} (${session.image}@${session.version})`;
}
