/** Receipts, from the tasks as they ended and from the audit log, which has every move of a task. Pure. */
import type { EventView } from '#protocol/admin/event-api.ts';
import type { Receipt } from '#protocol/admin/receipt-api.ts';
import { isTaskEnded, type TaskState, taskStates } from '#protocol/states.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';

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

function makeReceipt(session: SessionRow, task: TaskRow, attempt: number, events: readonly EventView[]): Receipt {
  const { sessionId, kind, image, version, manifestId } = session;
  const { taskId, hostId, host, state, wave, disk, twins, error, startedMs, endedMs, deployResult, captureResult } =
    task;
  const verify = session.kind === 'deploy' ? session.request.verify : undefined;
  const audit = session.kind === 'deploy' ? session.request.audit : undefined;
  const moves = events.filter((event) => event.subject === 'task');
  const at = (...states: TaskState[]) => moves.filter((move) => states.includes(move.action as TaskState));
  const isOver = state === 'succeeded';
  return {
    ...{ sessionId, kind, image, taskId, hostId, host, state, wave, disk, attempt },
    ...present({
      version,
      manifestId,
      verify: audit ? undefined : verify,
      error,
      audit,
      drift: task.auditResult,
      wiped: task.wipeResult,
      twins: twins?.map((twin) => twin.disk),
      disks: deployResult?.disks,
    }),
    ...present({
      diskPath: (deployResult ?? task.wipeResult)?.disk.path,
      startedAtMs: startedMs,
      readyAtMs: at('ready')[0]?.atMs,
      receivedAtMs: at('verifying', 'finishing')[0]?.atMs,
      verifiedAtMs: verify === 'full' && isOver ? at('finishing').at(-1)?.atMs : undefined,
      endedAtMs: endedMs,
    }),
    ...present({
      chunks: deployResult?.chunks ?? captureResult?.chunks,
      verifiedChunks: deployResult?.verifiedChunks,
      castBytes: deployResult?.castBytes,
      httpBytes: deployResult?.httpBytes,
      keptBytes: deployResult?.keptBytes,
      finishers: deployResult?.finishers ?? task.finisherResults,
      usedBytes: captureResult?.usedBytes,
      uploadedBytes: captureResult?.uploadedBytes,
    }),
    passes: at('receiving').length,
    repairs: at('repairing').length,
    parked: events.filter((event) => event.action === 'parked').length,
  };
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

/** What is known of these. */
function present<Facts extends object>(facts: Facts): { [Key in keyof Facts]?: NonNullable<Facts[Key]> } {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as { [Key in keyof Facts]?: NonNullable<Facts[Key]> };
}
