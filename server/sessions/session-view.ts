/** What the admin sees of a session. Pure. */

import { DEFAULT_STOP_AT_FAILURES, DEFAULT_WAKE_GAP_S, type DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { CastView, SessionView, TaskView } from '#protocol/admin/session-api.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { present } from './present.ts';

/** A running session, with its live progress. */
export function viewLive(live: LiveSession, isLost: (task: LiveTask) => boolean): SessionView {
  const tasks = lastOfHosts([...live.tasks.values()], (task) => task.row.hostId).map((task) => ({
    ...viewTask(task.row),
    isLost: isLost(task),
    ...(task.report?.progress === undefined ? {} : { progress: task.report.progress }),
    ...(task.holes === undefined ? {} : { holes: task.holes.count }),
  }));
  const pass = live.pass?.view;
  const casts = pass === undefined ? live.casts : [...live.casts.filter((cast) => cast.castId !== pass.castId), pass];
  return viewOf(live.row, tasks, casts);
}

/** A session as the database has it. */
export function viewStored(row: SessionRow, tasks: readonly TaskRow[], casts: readonly CastView[]): SessionView {
  return viewOf(row, lastOfHosts(tasks, (task) => task.hostId).map(viewTask), casts);
}

/** A host that was put back after it failed or was taken out counts once, with its last task. */
function lastOfHosts<Task>(tasks: readonly Task[], hostOf: (task: Task) => number): Task[] {
  return [...new Map(tasks.map((task) => [hostOf(task), task])).values()];
}

function viewOf(row: SessionRow, tasks: TaskView[], casts: readonly CastView[]): SessionView {
  const { sessionId, kind, state, image, version, manifestId, createdMs, endedMs, error } = row;
  return {
    sessionId,
    kind,
    state,
    image,
    ...(version === undefined ? {} : { version }),
    ...(manifestId === undefined ? {} : { manifestId }),
    createdAtMs: createdMs,
    ...(endedMs === undefined ? {} : { endedAtMs: endedMs }),
    ...(row.kind === 'deploy' ? viewRequest(row.request) : {}),
    ...(row.kind === 'deploy' && row.request.waves !== undefined ? viewWaves(row, row.request, tasks) : {}),
    onDone: row.request.onDone,
    onFailure: row.request.onFailure ?? 'stay',
    succeeded: tasks.filter((task) => task.state === 'succeeded').length,
    failed: tasks.filter((task) => task.state === 'failed').length,
    casts: [...casts],
    tasks,
    ...(error === undefined ? {} : { error }),
  };
}

function viewRequest(request: DeployRequest): Partial<SessionView> {
  const { start, mode, verify, delta, maxMbit, wakeWave, wakeGapS } = request;
  return {
    ...(request.audit === true ? { audit: true } : {}),
    ...{ start, mode, verify, delta: delta ?? 'auto' },
    ...(maxMbit === undefined ? {} : { maxMbit }),
    ...(wakeWave === undefined ? {} : { wakeWave, wakeGapS: wakeGapS ?? DEFAULT_WAKE_GAP_S }),
  };
}

function viewWaves(row: SessionRow, request: DeployRequest, tasks: readonly TaskView[]): Partial<SessionView> {
  return {
    wave: row.wave,
    waveCount: Math.max(row.wave, ...tasks.map((task) => task.wave ?? 1)),
    stopAtFailures: request.stopAtFailures ?? DEFAULT_STOP_AT_FAILURES,
  };
}

function viewTask(row: TaskRow): TaskView {
  const { taskId, hostId, host, state, wave, disk, twins, startedMs, endedMs, hasWritten, parking } = row;
  const { error, deployResult, auditResult, wipeResult, captureResult, finisherResults } = row;
  return {
    ...{ taskId, hostId, host, state, wave, disk, isLost: false },
    ...(hasWritten ? { hasWritten } : {}),
    ...(parking === undefined ? {} : { parkedBytesPerSecond: parking.bytesPerSecond, parkedFor: parking.cause }),
    ...present({
      twins: twins?.map((twin) => twin.disk),
      ...{ error, deployResult, auditResult, wipeResult, captureResult, finisherResults },
      startedAtMs: startedMs,
      endedAtMs: endedMs,
    }),
  };
}
