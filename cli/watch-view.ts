/** A session as lines of a screen. Pure: the same view, size and time give the same lines. */
import type { CastView, SessionView, TaskView } from '#protocol/admin/session-api.ts';
import { isSessionEnded, isTaskEnded, type TaskState, taskStates } from '#protocol/states.ts';
import { kindOf } from './drift-view.ts';
import { formatDuration } from './duration.ts';
import { progressBar } from './progress-bar.ts';
import { countOf, formatBytes, formatCount, formatRate, percentOf } from './size.ts';
import { describeStartPolicy } from './start-policy.ts';
import { cut, printable, type Tone } from './terminal.ts';

export interface WatchLine {
  readonly text: string;
  readonly tone: Tone;
}

export interface ScreenSize {
  readonly width: number;
  readonly height: number;
}

/** Before, the rate of a pass is that of udp-sender filling its buffers. */
const STEADY_S = 3;
/** Names longer than this are cut, so that the bars stay on the screen. */
const MOST_NAME_COLUMNS = 20;

/**
 * Never more than `height` - 1 lines (the cursor stands on the last), each cut to `width`. When the hosts do not all fit, those that
 * need a look come first: failed, lost, then the least far; the others become one line. `notice` takes the place of the totals.
 */
export function renderWatch(view: SessionView, size: ScreenSize, nowMs: number, notice?: string): WatchLine[] {
  const top: WatchLine[] = [
    { text: titleOf(view, nowMs), tone: 'bold' },
    notice === undefined ? { text: totalsOf(view, nowMs), tone: 'plain' } : { text: notice, tone: 'warn' },
    { text: countsOf(view), tone: 'plain' },
    ...warningLines(view),
  ];
  const room = Math.max(0, size.height - 1 - top.length);
  const lines = [...top, ...hostLines(view, room, size.width)].slice(0, Math.max(1, size.height - 1));
  return lines.map((line) => ({ text: cut(line.text, size.width), tone: line.tone }));
}

/** What a capture has found that the admin should know before it is through. */
function warningLines(view: SessionView): WatchLine[] {
  const warnings = view.tasks.flatMap((task) => task.progress?.warnings ?? []);
  return warnings.map((warning) => ({ text: `Warning: ${printable(warning)}`, tone: 'warn' }));
}

/** `Session 12: deploy win11@3 to 42 hosts, casting`. */
export function headlineOf(view: SessionView): string {
  return `Session ${view.sessionId}: ${kindOf(view)} ${roadOf(view)}, ${stateOf(view)}`;
}

function roadOf({ kind, image, version, tasks }: SessionView): string {
  const hosts = countOf(tasks.length, 'host');
  if (kind === 'wipe') return `${tasks.some(({ twins }) => twins !== undefined) ? 'disks' : 'a disk'} of ${hosts}`;
  const what = version === undefined ? image : `${image}@${version}`;
  return `${what} ${kind === 'deploy' ? `to ${hosts}` : `from ${tasks[0]?.host ?? '?'}`}`;
}

/** `casting`, or `wave 2 of 3 casting`. */
export function stateOf({ state, wave, waveCount }: SessionView): string {
  return wave === undefined || isSessionEnded(state) ? state : `wave ${wave} of ${waveCount ?? wave} ${state}`;
}

/** The pass that runs now. */
export function runningCast(view: SessionView): CastView | undefined {
  return view.state === 'casting' ? view.casts.findLast((cast) => cast.endedAtMs === undefined) : undefined;
}

/** Set aside because it was too slow, or in a running pass but not of it: dropped, or late. It is repaired afterwards. */
function isParked(task: TaskView, view: SessionView): boolean {
  if (task.parkedBytesPerSecond !== undefined && (task.state === 'preparing' || task.state === 'ready')) return true;
  return runningCast(view) !== undefined && (task.state === 'ready' || task.state === 'repairing');
}

function titleOf(view: SessionView, nowMs: number): string {
  return `${headlineOf(view)}, ${formatDuration(((view.endedAtMs ?? nowMs) - view.createdAtMs) / 1000)}`;
}

function totalsOf(view: SessionView, nowMs: number): string {
  const cast = runningCast(view);
  if (cast) return castTotals(cast, nowMs);
  if (isSessionEnded(view.state)) return `${formatCount(view.succeeded)} done, ${formatCount(view.failed)} failed`;
  if (view.state === 'planned' || view.state === 'gathering') return gatheringTotals(view);
  return phaseTotals(view) ?? view.state;
}

function castTotals(cast: CastView, nowMs: number): string {
  const seconds = (nowMs - (cast.firstByteAtMs ?? cast.startedAtMs)) / 1000;
  const perSecond = seconds >= STEADY_S ? cast.sentBytes / seconds : 0;
  const sent = `${formatBytes(cast.sentBytes)} of ${formatBytes(cast.bytes)} sent to ${countOf(cast.receivers, 'host')}`;
  return barLine(`pass ${cast.pass}`, cast.sentBytes, cast.bytes, perSecond, sent);
}

function gatheringTotals(view: SessionView): string {
  const ready = view.tasks.filter((task) => task.state === 'ready').length;
  const starts = view.start ? `; starts ${describeStartPolicy(view.start)}` : '';
  return `${formatCount(ready)} of ${countOf(view.tasks.length, 'host')} ready${hashingOf(view)}${starts}`;
}

/** How far the hosts are that hash their disks, and when the last of them will be through. */
function hashingOf(view: SessionView): string {
  const all = view.tasks.flatMap((task) => currentProgress(task) ?? []).filter(({ phase }) => phase === 'hash');
  const done = all.reduce((sum, { doneBytes }) => sum + doneBytes, 0);
  const total = all.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
  const percent = percentOf(done, total);
  if (percent === undefined) return '';
  const leftS = all.map(({ totalBytes, doneBytes, bytesPerSecond }) =>
    bytesPerSecond > 0 ? (totalBytes - doneBytes) / bytesPerSecond : 0,
  );
  return `; ${countOf(all.length, 'host')} hashing, ${percent} %, ETA ${formatDuration(Math.max(...leftS))}`;
}

/** What most hosts do now, all of them together. */
function phaseTotals(view: SessionView): string | undefined {
  const active = view.tasks.filter((task) => !isTaskEnded(task.state) && currentProgress(task));
  const phases = active.map((task) => task.progress!.phase);
  const phase = phases.toSorted((a, b) => countIn(phases, b) - countIn(phases, a))[0];
  if (phase === undefined) return undefined;
  const same = active.map((task) => task.progress!).filter((progress) => progress.phase === phase);
  const done = same.reduce((sum, progress) => sum + progress.doneBytes, 0);
  const total = same.reduce((sum, progress) => sum + progress.totalBytes, 0);
  const perSecond = same.reduce((sum, progress) => sum + progress.bytesPerSecond, 0);
  const all = `${formatBytes(done)} of ${formatBytes(total)} on ${countOf(same.length, 'host')}`;
  return barLine(printable(phase), done, total, perSecond, all);
}

function barLine(what: string, done: number, total: number, perSecond: number, detail: string): string {
  const percent = percentOf(done, total);
  const parts = [what];
  if (percent !== undefined) parts.push(`${progressBar(percent, 24)} ${String(percent).padStart(3)} %`);
  if (perSecond > 0) parts.push(formatRate(perSecond));
  if (perSecond > 0 && done < total) parts.push(`ETA ${formatDuration((total - done) / perSecond)}`);
  parts.push(detail);
  return parts.join('  ');
}

/** `30 receiving · 8 ready · 1 done; of these 2 parked, 1 lost; 1,204 holes`. */
function countsOf(view: SessionView): string {
  const states = view.tasks.map((task) => task.state);
  const present = taskStates.filter((state) => states.includes(state));
  const parked = view.tasks.filter((task) => isParked(task, view)).length;
  const lost = view.tasks.filter(isLostNow).length;
  const holes = view.tasks.reduce((sum, task) => sum + (isTaskEnded(task.state) ? 0 : (task.holes ?? 0)), 0);
  const asides = [parked > 0 ? `${formatCount(parked)} parked` : '', lost > 0 ? `${formatCount(lost)} lost` : ''];
  const ofThese = asides.filter((aside) => aside !== '').join(', ');
  return [
    present.map((state) => `${formatCount(countIn(states, state))} ${wordOf(state)}`).join(' · '),
    ofThese && `of these ${ofThese}`,
    view.kind === 'deploy' && holes > 0 ? countOf(holes, 'hole') : '',
  ]
    .filter((part) => part !== '')
    .join('; ');
}

function hostLines(view: SessionView, room: number, width: number): WatchLine[] {
  const longest = Math.max(0, ...view.tasks.map((task) => task.host.length));
  const nameColumns = Math.min(MOST_NAME_COLUMNS, longest);
  if (view.tasks.length <= room) return view.tasks.map((task) => hostLine(task, view, nameColumns, width));
  const sorted = view.tasks.toSorted(
    (a, b) => needOf(a) - needOf(b) || (fractionOf(a) ?? 0) - (fractionOf(b) ?? 0) || a.host.localeCompare(b.host),
  );
  const shown = sorted.slice(0, Math.max(0, room - 1));
  const others = sorted.slice(shown.length);
  const states = others.map((task) => wordOf(task.state));
  const kinds = [...new Set(states)].map((state) => `${formatCount(countIn(states, state))} ${state}`).join(', ');
  const rest: WatchLine = { text: `… and ${formatCount(others.length)} more: ${kinds}`, tone: 'dim' };
  return room < 1 ? [] : [...shown.map((task) => hostLine(task, view, nameColumns, width)), rest];
}

/** Failed, lost, then in the order of the road; those that are done last. */
function needOf(task: TaskView): number {
  if (task.state === 'failed') return -2;
  return isLostNow(task) ? -1 : taskStates.indexOf(task.state);
}

function hostLine(task: TaskView, view: SessionView, nameColumns: number, width: number): WatchLine {
  const word = isLostNow(task) ? 'lost' : isParked(task, view) ? 'parked' : wordOf(task.state);
  const start = `${cut(task.host, nameColumns).padEnd(nameColumns)}  ${word.padEnd(9)}`;
  return { text: [start, ...detailsOf(task, view, width)].join('  ').trimEnd(), tone: toneOf(task) };
}

function detailsOf(task: TaskView, view: SessionView, width: number): string[] {
  if (task.error) return [`${task.error.code}: ${printable(task.error.message)}`];
  if (isLostNow(task)) return [`no report; it was ${wordOf(task.state)}`];
  if (task.deployResult) {
    const { verifiedChunks, chunks } = task.deployResult;
    const isWhole = verifiedChunks >= chunks;
    return [
      isWhole
        ? `all ${countOf(chunks, 'chunk')} verified`
        : `${formatCount(verifiedChunks)} of ${countOf(chunks, 'chunk')} verified`,
      tookOf(task),
    ];
  }
  if (task.captureResult) return [`${formatBytes(task.captureResult.uploadedBytes)} uploaded`, tookOf(task)];
  const parts: string[] = [];
  if (isParked(task, view) && task.parkedBytesPerSecond !== undefined) {
    const what = task.parkedFor === 'cable' ? 'its cable brings' : 'its disk takes';
    parts.push(`${what} ${formatRate(task.parkedBytesPerSecond)}`);
  }
  const progress = currentProgress(task);
  const percent = progress && percentOf(progress.doneBytes, progress.totalBytes);
  if (progress && percent !== undefined) {
    if (task.state === 'capturing' || progress.phase === 'hash') parts.push(printable(progress.phase));
    if (width >= 80) parts.push(progressBar(percent, 16));
    parts.push(`${String(percent).padStart(3)} %`, formatRate(progress.bytesPerSecond).padStart(10));
    const leftBytes = progress.totalBytes - progress.doneBytes;
    if (progress.bytesPerSecond > 0 && leftBytes > 0) {
      parts.push(`ETA ${formatDuration(leftBytes / progress.bytesPerSecond)}`);
    }
  }
  if (task.holes !== undefined && task.holes > 0 && task.state !== 'capturing') parts.push(countOf(task.holes, 'hole'));
  return parts;
}

function tookOf(task: TaskView): string {
  if (task.startedAtMs === undefined || task.endedAtMs === undefined) return '';
  return `in ${formatDuration((task.endedAtMs - task.startedAtMs) / 1000)}`;
}

/** The last report's progress, unless it is about an earlier step than the one the host is told to do now. */
function currentProgress(task: TaskView): TaskView['progress'] {
  const { progress, state } = task;
  if (progress === undefined) return undefined;
  return state === 'capturing' || phasesOf[state]?.includes(progress.phase) === true ? progress : undefined;
}

/** The agent's words for each step of the server's. */
const phasesOf: Partial<Record<TaskState, readonly string[]>> = {
  preparing: ['prepare', 'hash'],
  receiving: ['receive'],
  repairing: ['repair'],
  verifying: ['verify'],
  finishing: ['finish'],
};

function fractionOf(task: TaskView): number | undefined {
  const progress = currentProgress(task);
  return progress && progress.totalBytes > 0 ? progress.doneBytes / progress.totalBytes : undefined;
}

function isLostNow(task: TaskView): boolean {
  return task.isLost && !isTaskEnded(task.state);
}

function wordOf(state: TaskState): string {
  return state === 'succeeded' ? 'done' : state;
}

function toneOf(task: TaskView): Tone {
  if (task.state === 'failed') return 'bad';
  if (isLostNow(task)) return 'warn';
  if (task.state === 'succeeded') return 'good';
  return task.state === 'cancelled' || task.state === 'pending' ? 'dim' : 'plain';
}

function countIn<Item>(items: readonly Item[], wanted: Item): number {
  return items.reduce((count, item) => count + (item === wanted ? 1 : 0), 0);
}
