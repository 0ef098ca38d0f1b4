/** Receipts, from the tasks as they ended and from the audit log, which has every move of a task. Pure. */
import type { EventView } from '#protocol/admin/event-api.ts';
import type { Receipt } from '#protocol/admin/receipt-api.ts';
import { isTaskEnded, type TaskState, taskStates } from '#protocol/states.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';
import { present } from './present.ts';

/** Receipts of tasks of one session, in their order. `events` are those of the session, oldest first. */
export function makeReceipts(session: SessionRow, tasks: readonly TaskRow[], events: readonly EventView[]): Receipt[] {
  const eventsByHost = Map.groupBy(events, (event) => event.hostId);
  const attempts = new Map<number, number>();
  return tasks.map((task) => {
    const attempt = (attempts.get(task.hostId) ?? 0) + 1;
    attempts.set(task.hostId, attempt);
    return makeReceipt(session, task, attempt, attemptsIn(eventsByHost.get(task.hostId) ?? [])[attempt - 1] ?? []);
  });
}

/** The last receipt of each host: what it came to. */
export function lastReceipts(receipts: readonly Receipt[]): Receipt[] {
  return [...new Map(receipts.map((receipt) => [receipt.hostId, receipt])).values()];
}

/** `events`: those of the host while the task ran, oldest first. */
function makeReceipt(session: SessionRow, task: TaskRow, attempt: number, events: readonly EventView[]): Receipt {
  const { sessionId, kind, image, version, manifestId } = session;
  const { taskId, hostId, host, state, wave, disk, twins, error } = task;
  const deploy = session.kind === 'deploy' ? session.request : undefined;
  const moves = movesOf(events);
  return {
    ...{ sessionId, kind, image, taskId, hostId, host, state, wave, disk, attempt },
    ...present({
      ...{ version, manifestId, error, audit: deploy?.audit },
      verify: deploy?.audit ? undefined : deploy?.verify,
      drift: task.auditResult,
      wiped: task.wipeResult,
      twins: twins?.map((twin) => twin.disk),
    }),
    ...timesOf(task, moves, deploy?.verify),
    ...workOf(task),
    passes: moves('receiving').length,
    repairs: moves('repairing').length,
    parked: events.filter((event) => event.action === 'parked').length,
  };
}

/** The moves to any of the states, oldest first. */
type Moves = (...states: TaskState[]) => EventView[];

function movesOf(events: readonly EventView[]): Moves {
  const moves = events.filter((event) => event.subject === 'task');
  return (...states) => moves.filter((move) => states.includes(move.action as TaskState));
}

function timesOf({ state, startedMs, endedMs }: TaskRow, moves: Moves, verify: 'full' | 'none' | undefined) {
  const isVerified = verify === 'full' && state === 'succeeded';
  return present({
    startedAtMs: startedMs,
    readyAtMs: moves('ready')[0]?.atMs,
    receivedAtMs: moves('verifying', 'finishing')[0]?.atMs,
    verifiedAtMs: isVerified ? moves('finishing').at(-1)?.atMs : undefined,
    endedAtMs: endedMs,
  });
}

/** What the agent says that it did. */
function workOf({ deployResult, captureResult, wipeResult, finisherResults }: TaskRow) {
  return present({
    disks: deployResult?.disks,
    diskPath: (deployResult ?? wipeResult)?.disk.path,
    chunks: deployResult?.chunks ?? captureResult?.chunks,
    verifiedChunks: deployResult?.verifiedChunks,
    castBytes: deployResult?.castBytes,
    httpBytes: deployResult?.httpBytes,
    keptBytes: deployResult?.keptBytes,
    containers: deployResult?.containers,
    finishers: deployResult?.finishers ?? finisherResults,
    usedBytes: captureResult?.usedBytes,
    uploadedBytes: captureResult?.uploadedBytes,
  });
}

/** The events of a host in one session, cut after each end of a task. */
function attemptsIn(events: readonly EventView[]): EventView[][] {
  const attempts: EventView[][] = [[]];
  for (const event of events) {
    attempts.at(-1)!.push(event);
    if (event.subject === 'task' && isEnd(event.action)) attempts.push([]);
  }
  return attempts;
}

/** Not every event of a task is one of its states: it is dropped from a cast, or parked. */
function isEnd(action: string): boolean {
  const state = taskStates.find((one) => one === action);
  return state !== undefined && isTaskEnded(state);
}
