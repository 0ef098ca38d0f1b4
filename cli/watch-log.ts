/** What changed between two views of a session, one line each: the watch when nobody looks at a terminal. */
import type { CastView, SessionView, TaskView } from '#protocol/admin/session-api.ts';
import { isTaskEnded } from '#protocol/states.ts';
import { formatDuration } from './duration.ts';
import { countOf, formatBytes, formatRate } from './size.ts';
import { printable } from './terminal.ts';
import { headlineOf, stateOf } from './watch-view.ts';

/** Without `before`: where the session stands. Progress alone is no change. */
export function describeChanges(before: SessionView | undefined, after: SessionView): string[] {
  const lines: string[] = [];
  if (before === undefined) lines.push(headlineOf(after));
  else if (before.state !== after.state) lines.push(`Session ${after.sessionId}: ${before.state} → ${stateOf(after)}`);
  for (const cast of after.casts) {
    lines.push(
      ...castChanges(
        before?.casts.find(({ castId }) => castId === cast.castId),
        cast,
        before === undefined,
      ),
    );
  }
  for (const task of after.tasks) {
    lines.push(
      ...taskChanges(
        before?.tasks.find(({ taskId }) => taskId === task.taskId),
        task,
      ),
    );
  }
  return lines;
}

function castChanges(before: CastView | undefined, after: CastView, isFirstLook: boolean): string[] {
  const lines: string[] = [];
  if (isFirstLook && after.endedAtMs !== undefined) return lines;
  if (before === undefined) {
    lines.push(`pass ${after.pass} begins: ${formatBytes(after.bytes)} to ${countOf(after.receivers, 'host')}`);
  }
  if (before?.endedAtMs === undefined && after.endedAtMs !== undefined) lines.push(endOf(after));
  return lines;
}

function endOf(cast: CastView): string {
  const seconds = ((cast.endedAtMs ?? 0) - (cast.firstByteAtMs ?? cast.startedAtMs)) / 1000;
  const rate = seconds > 0 ? ` (${formatRate(cast.sentBytes / seconds)})` : '';
  const resent = cast.retransmits ? `, ${countOf(cast.retransmits, 'retransmit')}` : '';
  const outcome = cast.outcome === undefined ? '' : `: ${printable(cast.outcome)}`;
  return `pass ${cast.pass} ended: ${formatBytes(cast.sentBytes)} in ${formatDuration(seconds)}${rate}${resent}${outcome}`;
}

function taskChanges(before: TaskView | undefined, after: TaskView): string[] {
  const lines: string[] = [];
  const isMoved = before?.state !== after.state;
  if (before !== undefined && isMoved) {
    const why = after.error ? `: ${printable(after.error.message)}  Next: ${printable(after.error.next)}` : '';
    lines.push(`${after.host}: ${before.state} → ${after.state}${why}`);
  } else if (before === undefined && after.state === 'failed') {
    lines.push(`${after.host}: failed: ${printable(after.error?.message ?? 'without a reason')}`);
  }
  const told = before?.progress?.warnings ?? [];
  for (const warning of after.progress?.warnings ?? []) {
    if (!told.includes(warning)) lines.push(`${after.host}: Warning: ${printable(warning)}`);
  }
  const wasLost = before?.isLost ?? false;
  if (isTaskEnded(after.state) || wasLost === after.isLost) return lines;
  lines.push(after.isLost ? `${after.host}: lost, it does not report` : `${after.host}: heard of again`);
  return lines;
}
