/** What a move makes of a task: the change that is kept, and the row after it. Pure. */
import type { Report } from '#protocol/agent-api.ts';
import { isTaskEnded, isWriting, taskMoves } from '#protocol/states.ts';
import type { TaskChange, TaskRow } from '../db/task-row.ts';
import type { TaskMove } from './decide-task.ts';

/**
 * `report` is the last one about the order that ends with the move. `isHashing`: whether a task that prepares again is told to hash its
 * disk; undefined: as it was told before. Throws for a move that the table of states does not have, which is a bug.
 */
export function changeOf(
  row: TaskRow,
  move: TaskMove,
  { report, isHashing, nowMs }: { report: Report | undefined; isHashing: boolean | undefined; nowMs: number },
): TaskChange {
  if (!taskMoves[row.state].includes(move.to)) throw new Error(`task ${row.taskId}: ${row.state} to ${move.to}`);
  const isFirst = row.startedMs === undefined && (move.to === 'preparing' || move.to === 'capturing');
  const ofOthers = report?.deployResult ?? report?.auditResult ?? report?.wipeResult;
  const result = ofOthers ?? report?.captureResult;
  return {
    state: move.to,
    ...(move.isFruitless === true ? { repairs: row.repairs + 1 } : {}),
    ...(isFirst ? { startedMs: nowMs } : {}),
    ...(isTaskEnded(move.to) ? { endedMs: nowMs } : {}),
    ...(isHashing === undefined ? {} : { isHashing }),
    ...(move.parking === undefined ? {} : { parking: move.parking }),
    ...(move.isDeaf === true ? { isDeaf: true } : {}),
    // An agent that begins anew says anew what it lacks; a task that has ended needs them no more.
    ...(move.to === 'preparing' || move.to === 'booting' || isTaskEnded(move.to) ? { holes: null } : {}),
    ...(move.to === 'succeeded' && result !== undefined ? { result } : {}),
    ...(move.to === 'failed' && report?.finisherResults !== undefined
      ? { result: { finisherResults: report.finisherResults } }
      : {}),
    // One of its disks has failed, others are done.
    ...(move.to === 'failed' && ofOthers !== undefined ? { result: ofOthers } : {}),
    ...(move.error === undefined ? {} : { error: move.error }),
  };
}

/** The row in memory once `change` is committed; its holes are the live task's. */
export function rowAfter(row: TaskRow, change: TaskChange, report: Report | undefined, nowMs: number): TaskRow {
  const isDone = change.state === 'succeeded';
  // Of a task that has failed with one of its disks the results of the others are kept.
  const hasResult = isDone || change.state === 'failed';
  const { holes: _wire, finisherResults: _earlier, ...kept } = row;
  return {
    ...kept,
    state: change.state,
    round: row.round + 1,
    hasWritten: row.hasWritten || isWriting(change.state),
    stateMs: nowMs,
    ...(change.repairs === undefined ? {} : { repairs: change.repairs }),
    ...(change.startedMs === undefined ? {} : { startedMs: change.startedMs }),
    ...(change.isHashing === undefined ? {} : { isHashing: change.isHashing }),
    ...(change.parking === undefined ? {} : { parking: change.parking }),
    ...(change.isDeaf === true ? { isDeaf: true } : {}),
    ...(change.endedMs === undefined ? {} : { endedMs: change.endedMs }),
    ...(change.error === undefined ? {} : { error: change.error }),
    ...(hasResult && report?.deployResult !== undefined ? { deployResult: report.deployResult } : {}),
    ...(hasResult && report?.auditResult !== undefined ? { auditResult: report.auditResult } : {}),
    ...(hasResult && report?.wipeResult !== undefined ? { wipeResult: report.wipeResult } : {}),
    ...(isDone && report?.captureResult !== undefined ? { captureResult: report.captureResult } : {}),
    ...(change.result !== undefined && 'finisherResults' in change.result ? change.result : {}),
  };
}
