/** SQL of what ended tasks say of hosts: what lies on their disks, and how each ended last. Only reads. */
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { DiskIdentity } from '#protocol/disk.ts';
import type { TaskState } from '#protocol/states.ts';
import type { DeployResult, DiskResult } from '#protocol/task-result.ts';
import { disksOf, type Twin } from '#protocol/twin.ts';
import { type Cells, present, presentJson } from './cells.ts';
import type { Database } from './database.ts';

/** What an ended task left on a disk. */
export interface GivenDisk {
  readonly sessionId: number;
  readonly disk: DiskIdentity;
  readonly image: string;
  readonly version?: number;
  readonly manifestId: string;
  readonly endedMs: number;
  /** The whole image is on it: deployed and finished, or captured from it. */
  readonly isWhole: boolean;
  /** Chunks of the image that were on it. */
  readonly have: number;
  readonly result?: DiskResult;
}

/** The last ended task of a host, and when its agent last said hello. */
export interface LastTask {
  readonly hostId: number;
  readonly sessionId: number;
  readonly state: TaskState;
  readonly endedMs: number;
  readonly helloMs?: number;
  readonly onDone: DeployRequest['onDone'];
  readonly onFailure?: NonNullable<DeployRequest['onFailure']>;
}

/** A row of T as SQLite gives it: what may be absent is null. */
type Nullable<T, Key extends keyof T> = Omit<T, Key> & { [K in Key]-?: NonNullable<T[K]> | null };

const ENDED = `('succeeded', 'failed', 'cancelled')`;

export class TaskHistory {
  #database: Database;
  #givenDisks;

  constructor(database: Database) {
    this.#database = database;
    // Asked for every host of a plan.
    this.#givenDisks = database.prepare<[number, number], Cells>(
      `SELECT task.session_id, task.disk, task.twins, task.state, task.ended_ms, task.have, task.result,
         session.kind, session.image, session.version, session.manifest_id
       FROM task JOIN session USING (session_id)
       WHERE task.host_id = ? AND task.ended_ms IS NOT NULL AND session.manifest_id IS NOT NULL
         AND session.request ->> '$.audit' IS NULL -- it leaves nothing on a disk
         AND (task.state = 'succeeded' OR (task.have > 0 AND session.kind = 'deploy'))
         -- what a host had before one of its disks was wiped counts no more
         AND task.task_id > (SELECT coalesce(max(task_id), 0) FROM task AS wiped JOIN session USING (session_id)
                             WHERE wiped.host_id = task.host_id AND is_wipe = 1 AND has_written = 1)
       ORDER BY task.task_id DESC LIMIT ?`,
    );
  }

  /** What the newest ended tasks of a host may have left on disks that are known, newest first; one for each disk of a task. */
  givenDisks(hostId: number, limit: number): GivenDisk[] {
    return this.#givenDisks.all(hostId, limit).flatMap(toGivenDisks);
  }

  /** One row for each host that ever had a task. */
  lastTasks(): LastTask[] {
    return this.#database
      .prepare<[], Nullable<LastTask, 'helloMs' | 'onFailure'>>(
        `SELECT task.host_id AS hostId, task.session_id AS sessionId, task.state, task.ended_ms AS endedMs,
           agent_token.created_ms AS helloMs, session.request ->> '$.onDone' AS onDone,
           session.request ->> '$.onFailure' AS onFailure
         FROM (SELECT max(task_id) AS task_id FROM task WHERE state IN ${ENDED} GROUP BY host_id) AS last
         JOIN task USING (task_id) JOIN session USING (session_id) LEFT JOIN agent_token ON agent_token.host_id = task.host_id`,
      )
      .all()
      .map(({ helloMs, onFailure, ...rest }) => ({
        ...rest,
        ...(helloMs === null ? {} : { helloMs }),
        ...(onFailure === null ? {} : { onFailure }),
      }));
  }
}

function toGivenDisks(cells: Cells): GivenDisk[] {
  const disk: DiskIdentity = JSON.parse(cells.disk as string);
  const { twins } = presentJson('twins', cells.twins) as { twins?: Twin[] };
  const { result } = presentJson('result', cells.kind === 'deploy' ? cells.result : null) as { result?: DeployResult };
  return disksOf(twins === undefined ? { disk } : { disk, twins }).map((one, i) => {
    const own: DiskResult | undefined = result?.disks?.[i] ?? (cells.state === 'succeeded' ? result : undefined);
    return {
      sessionId: cells.session_id,
      disk: one,
      image: cells.image,
      ...present('version', cells.version),
      manifestId: cells.manifest_id,
      endedMs: cells.ended_ms,
      // A task fails with one of its disks; the others are whole all the same.
      isWhole: cells.state === 'succeeded' || (result?.disks !== undefined && own?.error === undefined),
      // What it lacked the others may have.
      have: own?.error === undefined ? cells.have : own.verifiedChunks,
      ...(own === undefined ? {} : { result: own }),
    } as GivenDisk;
  });
}
