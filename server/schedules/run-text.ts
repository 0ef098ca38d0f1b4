/** What the history and the audit log say of a run, in one sentence. Pure. */
import type { ScheduleRun } from '#protocol/admin/schedule-api.ts';

/** Names that a sentence still lists. */
const MOST_NAMED = 5;

/** For the audit log. */
export function sayOfSchedule(schedule: string, what: string): string {
  return `Schedule ${schedule}: ${what}`;
}

export function sayEnded(run: ScheduleRun): string {
  const parts = [`${run.succeeded} done, ${run.failed} failed`];
  if (run.leftOver.length > 0) parts.push(`left over when the window closed: ${listNames(run.leftOver)}`);
  if (run.leftOut.length > 0) parts.push(`left out: ${listNames(run.leftOut)}`);
  return parts.join('; ');
}

export function sayMissed(count: number, isMore: boolean): string {
  const times = count === 1 ? 'a time' : isMore ? `at least ${count} times` : `${count} times`;
  return `${times} passed while the daemon was not running`;
}

export function listNames(hosts: readonly { readonly host: string }[]): string {
  const named = hosts.slice(0, MOST_NAMED).map(({ host }) => host);
  return `${named.join(', ')}${hosts.length > named.length ? ` and ${hosts.length - named.length} more` : ''}`;
}
