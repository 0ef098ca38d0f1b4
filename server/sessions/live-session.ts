/**
 * A running session in memory: its rows, and what is not worth a database write (reports, progress, the running pass). Times here are
 * those of the steady clock: somebody may set the clock of the server while it runs.
 */
import type { CastView } from '#protocol/admin/session-api.ts';
import type { CastOrder, Report } from '#protocol/agent-api.ts';
import { HoleSet } from '#protocol/holes.ts';
import { type TaskState, taskStates } from '#protocol/states.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';
import type { SessionProbe } from './session-probe.ts';

/** A pass, or a restart of the daemon, is followed by so much patience for hosts that prepare. */
export const SETTLE_MS = 15_000;

export interface LiveTask {
  row: TaskRow;
  /** Absent: not known. */
  holes: HoleSet | undefined;
  /** The last report about the present order. */
  report: Report | undefined;
  /** When it came into its state, or this daemon took it up. */
  stateAtMs: number;
  /** When its progress last moved. */
  movedAtMs: number;
  firstWakeMs: number | undefined;
  lastWakeMs: number | undefined;
  /** What the probe has shown. Undefined: not probed by this daemon yet. */
  hearing: 'good' | 'deaf' | undefined;
}

/** One pass from its planning until every host that heard it has said what it lacks. */
export interface LivePass {
  readonly pass: number;
  readonly began: Now;
  phase: 'planning' | 'running' | 'ended';
  /** It ended without sending everything. */
  isFailed: boolean;
  endedAtMs: number;
  readonly abort: AbortController;
  /** Absent while it is planned. */
  order: CastOrder | undefined;
  view: CastView | undefined;
  /** What udp-sender is held to, in Mbit/s; absent: nothing, or it does not run yet. */
  maxMbit?: number | undefined;
  /** Chunks that each task lacked when the pass began, by task id. */
  readonly lackedBefore: Map<number, number>;
  /** Settled when no sender runs any more. */
  finished: Promise<void>;
}

/** One moment by both clocks. */
export interface Now {
  readonly nowMs: number;
  readonly steadyMs: number;
}

export class LiveSession {
  row: SessionRow;
  readonly tasks = new Map<number, LiveTask>();
  readonly counts: Record<TaskState, number>;
  pass: LivePass | undefined;
  /** Runs before a pass. */
  probe: SessionProbe | undefined;
  /** Casts that have ended, in order. */
  casts: CastView[];
  /** Until then a further pass waits for hosts that still prepare. */
  settleUntilMs: number;
  /** From when on its start policy counts. */
  gatheringAtMs: number | undefined;
  /** When the first of the hosts that are ready now became ready. */
  firstReadyMs: number;
  /** Casts begun before the present wave. */
  passesBefore: number;
  /** Passes that hardly helped: after two of them the rest goes over HTTP. */
  fruitlessPasses = 0;
  /** When its hosts were woken, as far as the present wave needs it. */
  wakes: readonly number[] = [];
  /** Chunks that the store is known not to have whole. */
  damaged: HoleSet | undefined;

  constructor(row: SessionRow, tasks: readonly TaskRow[], casts: CastView[], now: Now) {
    this.row = row;
    this.casts = casts;
    this.passesBefore = row.state === 'gathering' ? row.passes : 0;
    this.settleUntilMs = now.steadyMs + SETTLE_MS;
    this.gatheringAtMs =
      row.gatheringMs === undefined ? undefined : steadyOf(Math.max(row.gatheringMs, row.startSetMs ?? 0), now);
    this.firstReadyMs = now.steadyMs;
    this.counts = Object.fromEntries(taskStates.map((state) => [state, 0])) as Record<TaskState, number>;
    for (const task of tasks) this.addTask(task, now.steadyMs);
  }

  addTask(row: TaskRow, steadyMs: number): LiveTask {
    const task = toLiveTask(row, steadyMs);
    this.tasks.set(row.taskId, task);
    this.counts[row.state]++;
    return task;
  }

  /** The last wave that has hosts. */
  lastWave(): number {
    return Math.max(this.row.wave, ...this.tasks.values().map((task) => task.row.wave));
  }

  /** Hosts whose wave has not begun. */
  waiting(): LiveTask[] {
    return this.tasksIn('pending').filter((task) => task.row.wave > this.row.wave);
  }

  tasksIn(state: TaskState): LiveTask[] {
    return [...this.tasks.values()].filter((task) => task.row.state === state);
  }

  /** Chunks that a host lacks and the store does not have whole. */
  damagedAmong(holes: HoleSet | undefined): number {
    if (this.damaged === undefined || holes === undefined) return 0;
    let count = 0;
    for (const ordinal of this.damaged) if (holes.has(ordinal)) count++;
    return count;
  }

  /** Notes a chunk that the store does not have whole; false when that was known. */
  addDamaged(ordinal: number): boolean {
    const known = this.tasks.values().find((task) => task.holes !== undefined)?.holes;
    if (known === undefined || this.damaged?.has(ordinal) === true) return false;
    this.damaged ??= HoleSet.none(known.chunkCount);
    this.damaged.add(ordinal);
    return true;
  }
}

/** A moment that was kept, by the steady clock; one that seems to lie ahead was just now. */
function steadyOf(keptMs: number, now: Now): number {
  return now.steadyMs - Math.max(0, now.nowMs - keptMs);
}

function toLiveTask(row: TaskRow, steadyMs: number): LiveTask {
  // The wire form knows its own chunk count.
  const holes = row.holes === undefined ? undefined : HoleSet.decode(row.holes, row.holes.readUInt32LE(0));
  return {
    row,
    holes,
    report: undefined,
    stateAtMs: steadyMs,
    movedAtMs: steadyMs,
    firstWakeMs: undefined,
    lastWakeMs: undefined,
    hearing: row.isDeaf ? 'deaf' : undefined,
  };
}
