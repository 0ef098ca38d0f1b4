/** Schedules and their runs, as the admin sees them. Pure. */
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import {
  DEFAULT_GRACE_S,
  type SchedulePreview,
  type ScheduleRun,
  type ScheduleView,
} from '#protocol/admin/schedule-api.ts';
import { formatDuration, formatTime } from './duration.ts';
import { renderFacts } from './table.ts';

export const scheduleHead = ['SCHEDULE', 'STATE', 'WHEN', 'ZONE', 'UNTIL', 'NEXT', 'DOES', 'LAST'] as const;

export function scheduleRow(schedule: ScheduleView): string[] {
  return [
    schedule.name,
    schedule.state,
    schedule.cron ?? schedule.at ?? '',
    schedule.tz,
    schedule.until ?? '',
    schedule.nextMs === undefined ? '' : formatIn(schedule.nextMs, schedule.tz),
    describeDeploy(schedule.deploy),
    schedule.lastRun?.state ?? '',
  ];
}

export const runHead = [
  'RUN',
  'FOR',
  'KIND',
  'STATE',
  'SESSION',
  'TOOK',
  'DONE',
  'FAILED',
  'LEFT OVER',
  'WHAT',
] as const;
/** Columns of runHead that hold numbers. */
export const runNumbers = [0, 4, 5, 6, 7, 8] as const;

export function runRow(run: ScheduleRun, tz: string, nowMs: number): string[] {
  const hasSession = run.sessionId !== undefined;
  return [
    String(run.runId),
    formatIn(run.dueMs, tz),
    run.isRest ? `${run.kind}, rest` : run.kind,
    run.state,
    hasSession ? String(run.sessionId) : '',
    run.startedMs === undefined ? '' : formatDuration(((run.endedMs ?? nowMs) - run.startedMs) / 1000),
    hasSession ? String(run.succeeded) : '',
    hasSession ? String(run.failed) : '',
    hasSession ? String(run.leftOver.length) : '',
    run.text,
  ];
}

export function describeSchedule(schedule: ScheduleView): string {
  const { until, graceS = DEFAULT_GRACE_S, lastRun } = schedule;
  return renderFacts([
    ['Schedule', `${schedule.name}, ${schedule.state}`],
    ['When', schedule.cron ?? schedule.at],
    ['Time zone', schedule.tz],
    ['Window', until && `until ${until}; hosts that write then have ${formatDuration(graceS)} more`],
    ['Missed', describeMissed(schedule)],
    ['Asks', schedule.ifIdle && `the hook ${schedule.ifIdle} whether a host is idle`],
    ['Does', describeDeploy(schedule.deploy)],
    ['Next', schedule.nextMs === undefined ? undefined : formatIn(schedule.nextMs, schedule.tz)],
    ['Added', formatTime(schedule.createdMs)],
    ['Last run', lastRun && `${formatIn(lastRun.dueMs, schedule.tz)}: ${lastRun.text}`],
    ['Left out', lastRun?.leftOut.map(({ host, reason }) => `${host}: ${reason}`).join('\n')],
    [
      'Left over',
      lastRun?.leftOver.map(({ host, hasWritten }) => `${host}${hasWritten ? ' (half written)' : ''}`).join('\n'),
    ],
  ]);
}

export function describePreview({ tz, times, warnings }: SchedulePreview): string {
  const shown = times.map(({ dueMs, untilMs }) => {
    const end = untilMs === undefined ? '' : ` until ${formatIn(untilMs, tz)}`;
    return `${formatIn(dueMs, tz)}${end}`;
  });
  const lines = renderFacts([
    ['Times', shown.join('\n')],
    ['Time zone', tz],
  ]);
  return [lines, ...warnings.map((warning) => `Warning: ${warning}`)].join('\n');
}

/** What a schedule deploys, in the words of the command. */
function describeDeploy({ image, hosts, groups, disk }: DeployRequest): string {
  const where = [
    ...groups.map((group) => `--group ${group}`),
    ...(hosts.length > 0 ? [`--hosts ${hosts.join(',')}`] : []),
  ];
  return ['deploy', image, ...where, ...(disk === undefined ? [] : [`--disk ${disk}`])].join(' ');
}

function describeMissed({ until, catchUp }: ScheduleView): string {
  if (until !== undefined) return 'run late while the window is open, else skipped';
  return catchUp === true ? 'run as soon as the daemon is back' : 'skipped';
}

/** `2026-11-23 02:00` as the clocks of the schedule's zone show it. */
function formatIn(atMs: number, timeZone: string): string {
  return new Date(atMs).toLocaleString('sv-SE', { timeZone }).slice(0, 16);
}
