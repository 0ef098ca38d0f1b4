/** A task as it is kept, as it is made, and what a move changes of it. */

import type { DiskIdentity } from '#protocol/disk.ts';
import type { AuditResult } from '#protocol/drift.ts';
import type { ErrorBody } from '#protocol/errors.ts';
import type { FinisherResult, FinisherStep } from '#protocol/finisher.ts';
import type { Fit } from '#protocol/fit.ts';
import type { TaskState } from '#protocol/states.ts';
import type { CaptureResult, DeployResult } from '#protocol/task-result.ts';
import type { Twin } from '#protocol/twin.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { type Cells, present, presentJson } from './cells.ts';

/** A host that held a cast back: by what, its pace then (of a disk in plain bytes, of a cable in stored ones), how often it was parked. */
export interface Parking {
  readonly cause: 'disk' | 'cable';
  readonly bytesPerSecond: number;
  readonly times: number;
}

export interface TaskRow {
  readonly taskId: number;
  readonly sessionId: number;
  readonly hostId: number;
  readonly host: string;
  readonly state: TaskState;
  readonly disk: DiskIdentity;
  readonly wave: number;
  /** Where the volumes lie on it; absent: as on the source. */
  readonly fit?: Fit;
  /** Further disks that take the same; absent: none. */
  readonly twins?: readonly Twin[];
  /** What runs when all is laid, in order; absent: nothing. */
  readonly finishers?: readonly FinisherStep[];
  /** Names of the secrets that open its LUKS containers; absent: what its session says. */
  readonly luksSecrets?: readonly string[];
  /** Of the host in its session, from 1; the same when it is tried again. */
  readonly number: number;
  /** Raised with every move. */
  readonly round: number;
  /** Repairs that did not suffice. */
  readonly repairs: number;
  /** It has begun to write: the disk is not what it was. */
  readonly hasWritten: boolean;
  readonly stateMs: number;
  /** When its agent was first there. */
  readonly startedMs?: number;
  readonly endedMs?: number;
  /** Its agent is told to hash the disk when it prepares. */
  readonly isHashing: boolean;
  /** Chunks of the image that its disk held when it was last heard of. */
  readonly have: number;
  /** Present: it left a cast because it held the others back. */
  readonly parking?: Parking;
  /** The probe has shown that it hears too little of casts: it takes no part in them. */
  readonly isDeaf: boolean;
  /** Wire form of holes.ts. */
  readonly holes?: Buffer;
  readonly deployResult?: DeployResult;
  readonly auditResult?: AuditResult;
  readonly captureResult?: CaptureResult;
  readonly wipeResult?: WipeResult;
  /** Of a task that failed because a finisher did. */
  readonly finisherResults?: FinisherResult[];
  readonly error?: ErrorBody;
}

/** What the column `result` holds. */
export type TaskResult = DeployResult | AuditResult | CaptureResult | WipeResult | FinisherWords;
export interface FinisherWords {
  readonly finisherResults: FinisherResult[];
}

/** What a move of a task changes. `holes: null` forgets them. */
export interface TaskChange {
  readonly state: TaskState;
  readonly repairs?: number;
  readonly startedMs?: number;
  readonly endedMs?: number;
  readonly isHashing?: boolean;
  readonly parking?: Parking;
  readonly isDeaf?: boolean;
  readonly holes?: null;
  readonly result?: TaskResult;
  readonly error?: ErrorBody;
}

export interface NewTask {
  readonly hostId: number;
  readonly host: string;
  readonly disk: DiskIdentity;
  /** Absent: 1. */
  readonly wave?: number;
  readonly fit?: Fit;
  readonly twins?: readonly Twin[];
  readonly finishers?: readonly FinisherStep[];
  readonly luksSecrets?: readonly string[];
  /** Absent: no. */
  readonly isHashing?: boolean;
}

export function toTask(cells: Cells): TaskRow {
  return {
    taskId: cells.task_id,
    sessionId: cells.session_id,
    hostId: cells.host_id,
    host: cells.host,
    state: cells.state,
    disk: JSON.parse(cells.disk as string),
    wave: cells.wave,
    ...presentJson('fit', cells.fit),
    ...presentJson('twins', cells.twins),
    ...presentJson('finishers', cells.finishers),
    ...presentJson('luksSecrets', cells.luks_secrets),
    number: cells.number,
    round: cells.round,
    repairs: cells.repairs,
    hasWritten: cells.has_written === 1,
    stateMs: cells.state_ms,
    isHashing: cells.hash === 1,
    have: cells.have,
    isDeaf: cells.deaf === 1,
    ...(cells.parked_for === null
      ? {}
      : { parking: { cause: cells.parked_for, times: cells.parked_times, bytesPerSecond: cells.parked_rate } }),
    ...present('startedMs', cells.started_ms),
    ...present('endedMs', cells.ended_ms),
    ...present('holes', cells.holes),
    ...resultOf(cells.result),
    ...presentJson('error', cells.error),
  } as TaskRow;
}

/** One column holds the result of any kind of task. */
function resultOf(
  cell: Cells[string] | undefined,
): Pick<TaskRow, 'deployResult' | 'auditResult' | 'captureResult' | 'wipeResult' | 'finisherResults'> {
  if (typeof cell !== 'string') return {};
  const result = JSON.parse(cell) as TaskResult;
  if ('finisherResults' in result) return result;
  if ('sampledBlocks' in result) return { wipeResult: result };
  if ('manifestId' in result) return { captureResult: result };
  return 'differingChunks' in result ? { auditResult: result } : { deployResult: result };
}
