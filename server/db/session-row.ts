/** A session as it is kept, and as it is made. */

import type { CaptureRequest } from '#protocol/admin/capture-api.ts';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { WipeRequest } from '#protocol/admin/wipe-api.ts';
import type { ErrorBody } from '#protocol/errors.ts';
import type { SessionState } from '#protocol/states.ts';
import { type Cells, present, presentJson } from './cells.ts';
import type { NewTask } from './task-row.ts';

interface SessionRowBase {
  readonly sessionId: number;
  readonly state: SessionState;
  readonly image: string;
  readonly version?: number;
  readonly manifestId?: string;
  readonly isStartNow: boolean;
  /** The present canary wave, from 1. */
  readonly wave: number;
  /** Casts begun. */
  readonly passes: number;
  readonly createdMs: number;
  readonly gatheringMs?: number;
  /** When its start policy was last changed: from then on its deadline counts. */
  readonly startSetMs?: number;
  readonly endedMs?: number;
  readonly error?: ErrorBody;
}
export type SessionRow = SessionRowBase &
  (
    | { readonly kind: 'deploy'; readonly request: DeployRequest }
    | { readonly kind: 'capture'; readonly request: CaptureRequest }
    | { readonly kind: 'wipe'; readonly request: WipeRequest }
  );

export interface NewSession {
  readonly kind: SessionRow['kind'];
  readonly image: string;
  readonly version?: number;
  readonly manifestId?: string;
  readonly request: DeployRequest | CaptureRequest | WipeRequest;
  readonly tasks: readonly NewTask[];
}

export function toSession(cells: Cells): SessionRow {
  return {
    sessionId: cells.session_id,
    kind: cells.is_wipe === 1 ? 'wipe' : cells.kind,
    state: cells.state,
    image: cells.image,
    ...present('version', cells.version),
    ...present('manifestId', cells.manifest_id),
    request: JSON.parse(cells.request as string),
    isStartNow: cells.start_now === 1,
    wave: cells.wave,
    passes: cells.passes,
    createdMs: cells.created_ms,
    ...present('gatheringMs', cells.gathering_ms),
    ...present('startSetMs', cells.start_set_ms),
    ...present('endedMs', cells.ended_ms),
    ...presentJson('error', cells.error),
  } as SessionRow;
}
