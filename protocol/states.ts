/** States of sessions and tasks, and every legal move between them. Only the server moves a state. */

export const sessionStates = [
  'planned',
  'gathering',
  'capturing',
  'casting',
  'repairing',
  'finishing',
  'completed',
  'failed',
  'cancelled',
] as const;
export type SessionState = (typeof sessionStates)[number];

export const taskStates = [
  'pending',
  'booting',
  'preparing',
  'ready',
  'receiving',
  'repairing',
  'capturing',
  'verifying',
  'finishing',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type TaskState = (typeof taskStates)[number];

/** completed: every task ended and at least one succeeded; failed: none did; cancelled: as a whole, or host by host. How many is a count, not a state. */
export const sessionMoves: Readonly<Record<SessionState, readonly SessionState[]>> = {
  planned: ['gathering', 'cancelled'],
  gathering: ['capturing', 'casting', 'repairing', 'finishing', 'failed', 'cancelled'],
  capturing: ['finishing', 'failed', 'cancelled'],
  casting: ['repairing', 'finishing', 'failed', 'cancelled'],
  repairing: ['casting', 'finishing', 'failed', 'cancelled'],
  // Back to gathering: the next wave.
  finishing: ['gathering', 'casting', 'repairing', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

/**
 * pending: not called yet · booting: woken, waited for · preparing: checks its disk, finds its holes · ready: waits for the start ·
 * receiving: in a pass · repairing: fetches holes over HTTP · verifying: reads back · finishing: layout, swap, flush.
 * A host that reboots in the middle goes back to booting or preparing and keeps its place.
 */
export const taskMoves: Readonly<Record<TaskState, readonly TaskState[]>> = {
  pending: ['booting', 'cancelled', 'failed'],
  booting: ['preparing', 'capturing', 'failed', 'cancelled'],
  // An audit is done when the disk has been read; a wipe begins as soon as the disk was checked.
  preparing: ['ready', 'succeeded', 'finishing', 'booting', 'failed', 'cancelled'],
  ready: ['receiving', 'repairing', 'verifying', 'finishing', 'preparing', 'booting', 'failed', 'cancelled'],
  receiving: ['ready', 'repairing', 'verifying', 'finishing', 'preparing', 'booting', 'failed', 'cancelled'],
  repairing: ['ready', 'receiving', 'verifying', 'finishing', 'preparing', 'booting', 'failed', 'cancelled'],
  capturing: ['booting', 'succeeded', 'failed', 'cancelled'],
  verifying: ['repairing', 'ready', 'finishing', 'preparing', 'booting', 'failed', 'cancelled'],
  finishing: ['succeeded', 'preparing', 'booting', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export function isSessionEnded(state: SessionState): boolean {
  return sessionMoves[state].length === 0;
}

/** In these states of a deployment a disk is being made into something else. */
export function isWriting(state: TaskState): boolean {
  return state === 'receiving' || state === 'repairing' || state === 'verifying' || state === 'finishing';
}

export function isTaskEnded(state: TaskState): boolean {
  return taskMoves[state].length === 0;
}
