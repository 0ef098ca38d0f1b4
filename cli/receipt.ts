/** What a session has done, host by host: the last words of a watch and the body of `session show`. */
import type { SessionView, TaskView } from '#protocol/admin/session-api.ts';
import { isDrifted } from '#protocol/drift.ts';
import { type ExitCode, exitCodes } from '#protocol/exit-code.ts';
import { isSessionEnded, isTaskEnded } from '#protocol/states.ts';
import { renderContainers } from './container-view.ts';
import { renderKept } from './delta-view.ts';
import { renderDrift, sumOfDrift } from './drift-view.ts';
import { formatDuration } from './duration.ts';
import { renderFinishers } from './finisher-view.ts';
import { describeFit, grownOf } from './fit-view.ts';
import { countOf, formatBytes, formatCount, percentOf } from './size.ts';
import { renderTable } from './table.ts';
import { printable } from './terminal.ts';
import { finishedDisks, laidLines, nameDisks, renderDisks } from './twin-view.ts';
import { warningsOf, wipeRows } from './wipe-view.ts';

/** 0 only when the session is completed, every host succeeded, and no audited disk differs; 3 otherwise. */
export function exitCodeOfSession(view: SessionView): ExitCode {
  const isGood = (task: TaskView) =>
    task.state === 'succeeded' && (task.auditResult === undefined || !isDrifted(task.auditResult));
  const isAllDone = view.state === 'completed' && view.tasks.every(isGood);
  return isAllDone ? exitCodes.done : exitCodes.someHostsFailed;
}

/** Table per host, failures with reason and next command, warnings of a capture, one line of totals. */
export function renderReceipt(view: SessionView, nowMs: number, paintHead?: (text: string) => string): string {
  const options = paintHead ? { paintHead } : {};
  const blocks: string[] = [];
  if (view.audit === true) {
    blocks.push(renderDrift(view.tasks, paintHead));
  } else if (view.kind === 'wipe') {
    const head = ['HOST', 'RESULT', 'DISK', 'HOW', 'READ BACK', 'TIME'];
    const rows = view.tasks.flatMap((task) => wipeRows(task, resultOf(task), timeOf(task, nowMs)));
    blocks.push(renderTable(head, rows, { right: [5], ...options }));
  } else if (view.kind === 'deploy') {
    const head = ['HOST', 'RESULT', 'DISK', 'WRITTEN', 'OVER HTTP', 'VERIFIED', 'TIME'];
    const rows = view.tasks.map((task) => deployRow(task, view, nowMs));
    blocks.push(renderTable(head, rows, { right: [3, 4, 6], ...options }));
  } else {
    const head = ['HOST', 'RESULT', 'DISK', 'USED', 'CHUNKS', 'UPLOADED', 'TIME'];
    const rows = view.tasks.map((task) => captureRow(task, nowMs));
    blocks.push(renderTable(head, rows, { right: [3, 4, 5, 6], ...options }));
  }
  const kept = renderKept(view);
  if (kept !== undefined) blocks.push(kept);
  const fitted = fittedLines(view);
  if (fitted.length > 0) blocks.push(fitted.join('\n'));
  const containers = renderContainers(laidOf(view));
  if (containers !== undefined) blocks.push(containers);
  const disks = renderDisks(
    view.tasks.map(({ host, deployResult }) => ({ host, lines: laidLines(deployResult ?? {}) })),
  );
  if (disks !== undefined) blocks.push(disks);
  const finished = renderFinishers(laidOf(view));
  if (finished !== undefined) blocks.push(finished);
  const reasons = reasonsOf(view.tasks);
  if (view.error) reasons.push(...errorLines(`session ${view.sessionId}`, view.error));
  if (reasons.length > 0) blocks.push(reasons.join('\n'));
  for (const { captureResult } of view.tasks) {
    if (captureResult) blocks.push(versionLine(view.image, captureResult));
  }
  const warnings = view.tasks.flatMap(({ host, captureResult, wipeResult }) => [
    ...(captureResult?.warnings ?? []),
    ...warningsOf(wipeResult).map((warning) => `${host}: ${warning}`),
  ]);
  if (warnings.length > 0) blocks.push(warnings.map((warning) => `Warning: ${printable(warning)}`).join('\n'));
  blocks.push(summaryOf(view, nowMs));
  return blocks.join('\n\n');
}

function deployRow(task: TaskView, view: SessionView, nowMs: number): string[] {
  const result = task.deployResult;
  return [
    task.host,
    resultOf(task),
    nameDisks(task),
    result ? formatBytes(result.castBytes + result.httpBytes) : '',
    result ? formatBytes(result.httpBytes) : '',
    result ? verifiedOf(result, view) : '',
    timeOf(task, nowMs),
  ];
}

function laidOf({ tasks }: SessionView) {
  return finishedDisks(
    tasks.map(({ host, deployResult, finisherResults: finishers }) => ({
      host,
      ...(deployResult ?? (finishers === undefined ? {} : { finishers })),
    })),
  );
}

/** One line for all hosts with the same disk size. What was verified was the image; what came after it is said here. */
function fittedLines(view: SessionView): string[] {
  const hosts = new Map<string, string[]>();
  for (const { host, fitted, chunks = 0, verifiedChunks = 0 } of laidOf(view)) {
    if (fitted === undefined) continue;
    const when = verifiedChunks >= chunks ? 'verified, then' : 'not verified;';
    const grown = grownOf(fitted).filter(({ check }) => check !== undefined);
    const checked = grown.length > 0 && grown.every(({ check }) => check === 'clean');
    const text = `${when} fitted: ${describeFit(fitted)}${checked ? '; fsck clean' : ''}`;
    hosts.set(text, [...(hosts.get(text) ?? []), host]);
  }
  return [...hosts].map(([text, names]) => `${names.join(', ')}: ${text}`);
}

function captureRow(task: TaskView, nowMs: number): string[] {
  const result = task.captureResult;
  return [
    task.host,
    resultOf(task),
    nameDisks(task),
    result ? formatBytes(result.usedBytes) : '',
    result ? formatCount(result.chunks) : '',
    result ? formatBytes(result.uploadedBytes) : '',
    timeOf(task, nowMs),
  ];
}

function versionLine(image: string, { version, isNew }: NonNullable<TaskView['captureResult']>): string {
  return isNew
    ? `It is version ${image}@${version}.`
    : `The disk is just what ${image}@${version} holds: no new version was made.`;
}

function resultOf(task: TaskView): string {
  if (task.state === 'succeeded') return 'done';
  const progress = task.progress && percentOf(task.progress.doneBytes, task.progress.totalBytes);
  const state = task.isLost && !isTaskEnded(task.state) ? `lost while ${task.state}` : task.state;
  return isTaskEnded(task.state) || progress === undefined ? state : `${state} ${progress} %`;
}

function verifiedOf(result: NonNullable<TaskView['deployResult']>, view: SessionView): string {
  if (result.verifiedChunks >= result.chunks) return `all ${countOf(result.chunks, 'chunk')}`;
  const some = `${formatCount(result.verifiedChunks)} of ${countOf(result.chunks, 'chunk')}`;
  return view.verify === 'none' ? `${some} (--verify none)` : some;
}

function timeOf(task: TaskView, nowMs: number): string {
  return task.startedAtMs === undefined ? '' : formatDuration(((task.endedAtMs ?? nowMs) - task.startedAtMs) / 1000);
}

/** Each reason once, with what helps and how many hosts share it. */
export function reasonsOf(tasks: readonly Pick<TaskView, 'host' | 'error'>[]): string[] {
  const failures = tasks.filter((task) => task.error !== undefined);
  const alike = Map.groupBy(failures, ({ host, error }) => JSON.stringify([withoutSubject(host, error!), error!.next]));
  return [...alike.values()].flatMap((group) => {
    const { host, error } = group[0]!;
    const others = group.length === 1 ? '' : ` (and ${countOf(group.length - 1, 'more host')})`;
    return errorLines(host, { ...error!, message: `${error!.message}${others}` });
  });
}

function withoutSubject(host: string, { message }: NonNullable<TaskView['error']>): string {
  return message.startsWith(host) ? message.slice(host.length) : message;
}

function errorLines(who: string, error: TaskView['error']): string[] {
  if (!error) return [];
  return [printable(withSubject(who, error.message)), `  Next: ${printable(error.next)}`];
}

/** Most messages about a host begin with its name already. */
export function withSubject(who: string, message: string): string {
  return message.startsWith(`${who}:`) || message.startsWith(`${who} `) ? message : `${who}: ${message}`;
}

/** Says "verified" only of hosts that read back every chunk. */
function summaryOf(view: SessionView, nowMs: number): string {
  const seconds = ((view.endedAtMs ?? nowMs) - view.createdAtMs) / 1000;
  const took = isSessionEnded(view.state) ? `in ${formatDuration(seconds)}` : `after ${formatDuration(seconds)}`;
  const parts = [`${formatCount(view.succeeded)} done${verifiedNote(view)}`, `${formatCount(view.failed)} failed`];
  const cancelled = view.tasks.filter((task) => task.state === 'cancelled').length;
  const running = view.tasks.filter((task) => !isTaskEnded(task.state)).length;
  if (cancelled > 0) parts.push(`${formatCount(cancelled)} cancelled`);
  if (running > 0) parts.push(`${formatCount(running)} running`);
  return `Session ${view.sessionId} ${view.state}: ${parts.join(', ')}, ${took}.`;
}

function verifiedNote(view: SessionView): string {
  if (view.audit === true) return ` (${sumOfDrift(view)})`;
  if (view.kind !== 'deploy' || view.succeeded === 0) return '';
  const verified = view.tasks.filter(
    ({ state, deployResult }) =>
      state === 'succeeded' && deployResult !== undefined && deployResult.verifiedChunks >= deployResult.chunks,
  ).length;
  if (verified === view.succeeded) return ' (all verified)';
  return verified === 0 ? ' (NOT verified)' : ` (only ${formatCount(verified)} verified)`;
}
