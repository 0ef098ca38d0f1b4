/**
 * Notes in the database how many chunks of the image lie on the disk of a task, from the heartbeats of its agent: after a reboot,
 * or in a later session, that says whether hashing the disk is worth it. The holes themselves need no such note, because an
 * agent that lost them finds them again by hashing.
 */
import type { Progress } from '#protocol/agent-api.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { LiveTask } from './live-session.ts';

/** Between two notes of one task, in ms. A daemon that is killed knows that much less. */
const NOTE_EVERY_MS = 10_000;

export class HaveNotes {
  #table: Pick<SessionTable, 'setHave'>;
  #notedMs = new WeakMap<LiveTask, number>();

  constructor(table: Pick<SessionTable, 'setHave'>) {
    this.#table = table;
  }

  /** In memory at once, in the database now and then; a move of the task writes it too. */
  note(task: LiveTask, progress: Progress, nowMs: number): void {
    const { row, holes } = task;
    // While the disk is hashed the holes only say how far that is.
    if (progress.holes === undefined || holes === undefined || row.state === 'preparing') return;
    const have = Math.max(0, holes.chunkCount - progress.holes);
    if (have === row.have) return;
    task.row = { ...row, have };
    if (nowMs - (this.#notedMs.get(task) ?? 0) < NOTE_EVERY_MS) return;
    this.#notedMs.set(task, nowMs);
    this.#table.setHave(row.taskId, have);
  }
}
