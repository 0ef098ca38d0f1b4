/** Whom the end of a window releases. Pure. */
import { knownError } from '#protocol/errors.ts';
import { isTaskEnded } from '#protocol/states.ts';
import type { TaskRow } from '../db/task-row.ts';
import type { TaskMove } from './decide-task.ts';

/** It neither writes nor is ready to: its disk is still what it was. */
export function isLateForLastCall({ state, hasWritten }: Pick<TaskRow, 'state' | 'hasWritten'>): boolean {
  return !hasWritten && state !== 'ready' && !isTaskEnded(state);
}

/** How the end of a window takes a host out of its session. */
export function releasedByWindow(task: Pick<TaskRow, 'host' | 'hasWritten'>, schedule: string): TaskMove {
  const what = task.hasWritten ? 'its disk is half written' : 'its disk was not touched';
  return { to: 'cancelled', error: knownError('WINDOW_CLOSED', { host: task.host, schedule, what }).toBody() };
}
