/** Receipts for people and for spreadsheets. Pure. */

import type { Receipt, SessionReport } from '#protocol/admin/receipt-api.ts';
import { isSessionEnded, isTaskEnded } from '#protocol/states.ts';
import { renderContainers } from './container-view.ts';
import { renderCsv } from './csv.ts';
import { describeDrift, driftLines, kindOf } from './drift-view.ts';
import { formatDuration, formatTime } from './duration.ts';
import { renderFinishers } from './finisher-view.ts';
import { reasonsOf } from './receipt.ts';
import { countOf, formatBytes, formatCount } from './size.ts';
import { renderTable } from './table.ts';
import { printable } from './terminal.ts';
import { finishedDisks, laidLines, nameDisks, renderDisks } from './twin-view.ts';
import { describeWipe, wipeLines } from './wipe-view.ts';

type PaintHead = (text: string) => string;

/** The morning page: what became of it in one line, then every host, then what failed, why, and what to do next. */
export function renderReport(report: SessionReport, nowMs: number, paintHead?: PaintHead): string {
  const image = report.version === undefined ? report.image : `${report.image}@${report.version}`;
  const by = report.actor === undefined ? '' : ` by ${printable(report.actor)}`;
  const seconds = ((report.endedAtMs ?? nowMs) - report.createdAtMs) / 1000;
  const took = isSessionEnded(report.state) ? 'took' : 'has run for';
  const blocks = [
    [
      `Session ${report.sessionId}: ${[kindOf(report), image].join(' ').trim()}, ${report.state}.`,
      `Begun ${formatTime(report.createdAtMs)}${by}, ${took} ${formatDuration(seconds)}, ${countOf(report.casts.length, 'cast')}.`,
      `${sumOf(report)}.`,
      ...(report.manifestId === undefined ? [] : [`Manifest ${report.manifestId}`]),
    ].join('\n'),
    receiptTable(report.receipts, false, paintHead),
  ];
  const disks = renderDisks(report.receipts.map((receipt) => ({ host: receipt.host, lines: linesOfDisks(receipt) })));
  if (disks !== undefined) blocks.push(disks);
  const containers = renderContainers(finishedDisks(report.receipts));
  if (containers !== undefined) blocks.push(containers);
  const finished = renderFinishers(finishedDisks(report.receipts));
  if (finished !== undefined) blocks.push(finished);
  const reasons = reasonsOf(report.receipts);
  if (reasons.length > 0) blocks.push(reasons.join('\n'));
  return blocks.join('\n\n');
}

/** Of a host with several disks, one each. */
function linesOfDisks(receipt: Receipt): string[] {
  return [...laidLines(receipt), ...driftLines(receipt.drift), ...wipeLines(receipt.wiped)];
}

/** What was done to one host, newest first. */
export function renderHistory(receipts: readonly Receipt[], paintHead?: PaintHead): string {
  return receiptTable(receipts, true, paintHead);
}

export function reportCsv(report: SessionReport): string {
  const rows = report.receipts.map((receipt) => columns.map(([, cellOf]) => cellOf(receipt)));
  return renderCsv(
    columns.map(([name]) => name),
    rows,
  );
}

function sumOf({ succeeded, failed, cancelled, running, receipts }: SessionReport): string {
  const done = receipts.filter(({ state }) => state === 'succeeded');
  const verified = done.filter(isVerified).length;
  const note =
    done.length === 0 || done[0]!.kind !== 'deploy' || done[0]!.audit
      ? ''
      : ` (${verifiedNote(verified, done.length)})`;
  const parts = [`${formatCount(succeeded)} done${note}`, `${formatCount(failed)} failed`];
  if (cancelled > 0) parts.push(`${formatCount(cancelled)} cancelled`);
  if (running > 0) parts.push(`${formatCount(running)} running`);
  return parts.join(', ');
}

function verifiedNote(verified: number, done: number): string {
  if (verified === done) return 'all verified';
  return verified === 0 ? 'NOT verified' : `only ${formatCount(verified)} verified`;
}

function isVerified({ chunks, verifiedChunks }: Receipt): boolean {
  return chunks !== undefined && verifiedChunks !== undefined && verifiedChunks >= chunks;
}

function receiptTable(receipts: readonly Receipt[], isHistory: boolean, paintHead?: PaintHead): string {
  const first = isHistory ? ['SESSION', 'BEGAN', 'KIND', 'IMAGE'] : ['HOST'];
  const head = [
    ...first,
    'RESULT',
    'DISK',
    'CHECKED',
    'CAST',
    'HTTP',
    'KEPT',
    'PASSES',
    'READY',
    'RECEIVED',
    'VERIFIED',
    'TOTAL',
  ];
  const rows = receipts.map((receipt) => [
    ...(isHistory ? sessionCells(receipt) : [receipt.host]),
    ...cellsOf(receipt),
  ]);
  const right = head.map((_, i) => i).filter((i) => i >= first.length + 3);
  return renderTable(head, rows, { right, ...(paintHead ? { paintHead } : {}) });
}

function sessionCells(receipt: Receipt): string[] {
  const { sessionId, startedAtMs, image, version } = receipt;
  const began = startedAtMs === undefined ? '' : formatTime(startedAtMs);
  return [String(sessionId), began, kindOf(receipt), version === undefined ? image : `${image}@${version}`];
}

/** Times are durations of each stage, from the one before. */
function cellsOf(receipt: Receipt): string[] {
  const { startedAtMs, readyAtMs, receivedAtMs, verifiedAtMs, endedAtMs, passes, repairs, parked } = receipt;
  const extra = [repairs > 0 ? `+${repairs} HTTP` : '', parked > 0 ? `parked ${parked}×` : ''].filter(Boolean);
  return [
    resultOf(receipt),
    nameDisks(receipt),
    checkedOf(receipt),
    ...[receipt.castBytes, receipt.httpBytes ?? receipt.uploadedBytes, receipt.keptBytes].map((bytes) =>
      bytes === undefined ? '' : formatBytes(bytes),
    ),
    [String(passes), ...extra].join(' '),
    stage(startedAtMs, readyAtMs),
    stage(readyAtMs, receivedAtMs),
    stage(receivedAtMs, verifiedAtMs),
    stage(startedAtMs, endedAtMs),
  ];
}

function resultOf({ state, error, attempt }: Receipt): string {
  const word =
    state === 'succeeded' ? 'done' : isTaskEnded(state) && error !== undefined ? `${state} ${error.code}` : state;
  return attempt > 1 ? `${word} (attempt ${attempt})` : word;
}

function checkedOf(receipt: Receipt): string {
  const { chunks, verifiedChunks, drift, wiped } = receipt;
  if (wiped !== undefined) return describeWipe(wiped);
  if (drift !== undefined) return describeDrift(drift);
  if (chunks === undefined || verifiedChunks === undefined) return '';
  return isVerified(receipt)
    ? `all ${formatCount(chunks)}`
    : `${formatCount(verifiedChunks)} of ${formatCount(chunks)}`;
}

function stage(fromMs: number | undefined, toMs: number | undefined): string {
  return fromMs === undefined || toMs === undefined ? '' : formatDuration((toMs - fromMs) / 1000);
}

/** Undefined: it has one disk. */
function failedDisksOf({ disks, drift, wiped }: Receipt): number | undefined {
  const all: readonly object[] | undefined = disks ?? drift?.disks ?? wiped?.disks;
  return all?.filter((one) => 'error' in one).length;
}

const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

const columns: readonly (readonly [name: string, cellOf: (receipt: Receipt) => string | number | undefined])[] = [
  ['session', (receipt) => receipt.sessionId],
  ['host', (receipt) => receipt.host],
  ['result', (receipt) => receipt.state],
  ['attempt', (receipt) => receipt.attempt],
  ['wave', (receipt) => receipt.wave],
  ['image', (receipt) => receipt.image],
  ['version', (receipt) => receipt.version],
  ['manifest', (receipt) => receipt.manifestId],
  ['disk_model', (receipt) => receipt.disk.model],
  ['disk_serial', (receipt) => receipt.disk.serial],
  ['disk_bytes', (receipt) => receipt.disk.sizeBytes],
  ['disk_path', (receipt) => receipt.diskPath],
  ['disks', (receipt) => 1 + (receipt.twins?.length ?? 0)],
  ['failed_disks', (receipt) => failedDisksOf(receipt)],
  ['chunks', (receipt) => receipt.chunks],
  ['verified_chunks', (receipt) => receipt.verifiedChunks],
  ['differing_chunks', (receipt) => receipt.drift?.differingChunks],
  ['cast_bytes', (receipt) => receipt.castBytes],
  ['http_bytes', (receipt) => receipt.httpBytes],
  ['kept_bytes', (receipt) => receipt.keptBytes],
  ['passes', (receipt) => receipt.passes],
  ['repairs', (receipt) => receipt.repairs],
  ['parked', (receipt) => receipt.parked],
  ['started', (receipt) => iso(receipt.startedAtMs)],
  ['ready', (receipt) => iso(receipt.readyAtMs)],
  ['received', (receipt) => iso(receipt.receivedAtMs)],
  ['verified', (receipt) => iso(receipt.verifiedAtMs)],
  ['ended', (receipt) => iso(receipt.endedAtMs)],
  ['error_code', (receipt) => receipt.error?.code],
  ['error', (receipt) => receipt.error?.message],
  ['next', (receipt) => receipt.error?.next],
];
