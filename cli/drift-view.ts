/** What an audit has found. Pure. */
import type { SessionView, TaskView } from '#protocol/admin/session-api.ts';
import { type AuditResult, isDrifted } from '#protocol/drift.ts';
import { formatBytes, formatCount } from './size.ts';
import { renderTable } from './table.ts';

/** A line a host, and below it one for each volume that differs. */
export function renderDrift(tasks: readonly TaskView[], paintHead?: (text: string) => string): string {
  const head = ['HOST', 'RESULT', 'DISK', 'CHUNKS', 'DIFFER', 'SHARE', 'BYTES'];
  const rows = tasks.flatMap((task) => [
    [task.host, resultOf(task), `${task.disk.model} ${task.disk.serial}`.trim(), ...amounts(task.auditResult)],
    ...(task.auditResult?.volumes ?? [])
      .filter(({ differingChunks }) => differingChunks > 0)
      .map((volume) => ['', '', `  ${volumeName(volume)}`, ...amounts(volume)]),
  ]);
  return renderTable(head, rows, { right: [3, 4, 5, 6], ...(paintHead ? { paintHead } : {}) });
}

/** `2 equal, 1 differs`: of the hosts that were read. */
export function sumOfDrift({ tasks }: SessionView): string {
  const results = tasks.flatMap((task) => task.auditResult ?? []);
  const differing = results.filter(isDrifted).length;
  const equal = results.length - differing;
  return `${formatCount(equal)} equal, ${formatCount(differing)} ${differing === 1 ? 'differs' : 'differ'}`;
}

function resultOf({ state, auditResult }: TaskView): string {
  if (auditResult === undefined) return state;
  if (auditResult.layoutDiffers) return 'differs (partition table too)';
  return isDrifted(auditResult) ? 'differs' : 'equal';
}

function amounts(found: Omit<AuditResult, 'disk' | 'layoutDiffers' | 'volumes'> | undefined): string[] {
  if (found === undefined) return ['', '', '', ''];
  const { chunks, differingChunks, bytes, differingBytes } = found;
  const share = bytes === 0 ? 0 : (differingBytes / bytes) * 100;
  return [formatCount(chunks), formatCount(differingChunks), `${share.toFixed(1)} %`, formatBytes(differingBytes)];
}

function volumeName({ kind, partition, filesystem }: AuditResult['volumes'][number]): string {
  const name = partition === undefined ? kind : `partition ${partition}`;
  return filesystem === undefined ? name : `${name} (${filesystem})`;
}

/** `audit`, or the kind of the session. */
export function kindOf({ audit, kind }: Pick<SessionView, 'audit' | 'kind'>): string {
  return audit === true ? 'audit' : kind;
}
