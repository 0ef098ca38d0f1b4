/** Reports of sessions and histories of hosts, from what the database has: the same before and after a restart. */

import type { Receipt, SessionReport } from '#protocol/admin/receipt-api.ts';
import { knownError } from '#protocol/errors.ts';
import { isTaskEnded } from '#protocol/states.ts';
import type { CastTable } from '../db/cast-table.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { lastReceipts, makeReceipts } from './receipts.ts';

export interface ReportsOptions {
  readonly table: SessionTable;
  readonly casts: Pick<CastTable, 'ofSession'>;
  readonly events: Pick<EventLog, 'list'>;
  readonly hosts: Pick<Hosts, 'get'>;
}

export class Reports {
  #options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Of a session that runs or has ended. Throws SESSION_UNKNOWN. */
  session(sessionId: number): SessionReport {
    const { table, casts } = this.#options;
    const row = table.session(sessionId);
    if (row === undefined) throw knownError('SESSION_UNKNOWN', { session: sessionId });
    const events = this.#eventsOf(sessionId);
    const receipts = lastReceipts(makeReceipts(row, table.tasksOf(sessionId), events));
    const actor = events.find(({ subject, action }) => subject === 'session' && action === 'created')?.actor;
    const countIn = (state: Receipt['state']) => receipts.filter((receipt) => receipt.state === state).length;
    return {
      ...headOf(row),
      ...(actor === undefined ? {} : { actor }),
      createdAtMs: row.createdMs,
      ...(row.endedMs === undefined ? {} : { endedAtMs: row.endedMs }),
      succeeded: countIn('succeeded'),
      failed: countIn('failed'),
      cancelled: countIn('cancelled'),
      running: receipts.filter(({ state }) => !isTaskEnded(state)).length,
      casts: casts.ofSession(sessionId),
      receipts,
    };
  }

  /** What was done to a host, newest first. Throws HOST_UNKNOWN. */
  history(ref: string, limit: number): Receipt[] {
    const { table, hosts } = this.#options;
    const { hostId } = hosts.get(ref);
    return table.sessionsOfHost(hostId, limit).flatMap((row) => {
      const { sessionId } = row;
      const tasks = table.tasksOf(sessionId).filter((task) => task.hostId === hostId);
      return makeReceipts(row, tasks, this.#eventsOf(sessionId, hostId)).reverse();
    });
  }

  #eventsOf(sessionId: number, hostId?: number) {
    return this.#options.events.list({ sessionId, hostId, after: 0, limit: Number.MAX_SAFE_INTEGER });
  }
}

function headOf({ sessionId, kind, state, image, version, manifestId, request }: SessionRow) {
  return {
    ...{ sessionId, kind, state, image },
    ...(version === undefined ? {} : { version }),
    ...(manifestId === undefined ? {} : { manifestId }),
    ...('audit' in request ? { audit: request.audit } : 'verify' in request ? { verify: request.verify } : {}),
  };
}
