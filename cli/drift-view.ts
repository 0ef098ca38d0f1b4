/** What an audit has found. Pure. */
import type { SessionView, TaskView } from '#protocol/admin/session-api.ts';
import { describeDisk } from '#protocol/disk.ts';
import { type AuditResult, type Drift, isDrifted } from '#protocol/drift.ts';
import { hasFailed } from '#protocol/failed-disk.ts';
import { formatBytes, formatCount } from './size.ts';
import { renderTable } from './table.ts';
import { nameDisks } from './twin-view.ts';

/** A line a disk, its host named in the first; below it one for each volume that differs. */
export function renderDrift(tasks: readonly TaskView[], paintHead?: (text: string) => string): string {
  const head = ['HOST', 'RESULT', 'DISK', 'CHUNKS', 'DIFFER', 'SHARE', 'BYTES'];
  const rows = tasks.flatMap((task) => {
    const { disks } = task.auditResult ?? {};
    if (disks === undefined) return rowsOf([task.host, resultOf(task.state, task.auditResult), nameDisks(task)], task);
    return disks.flatMap((one, i) => {
      const result = hasFailed(one) ? `failed ${one.error.code}` : resultOf(task.state, one);
      return rowsOf([i === 0 ? task.host : '', result, `${one.disk.path} ${describeDisk(one.disk)}`], {
        ...(hasFailed(one) ? {} : { auditResult: one }),
      });
    });
  });
  return renderTable(head, rows, { right: [3, 4, 5, 6], ...(paintHead ? { paintHead } : {}) });
}

function rowsOf(who: readonly string[], { auditResult }: { readonly auditResult?: Drift }): string[][] {
  const volumes = auditResult?.volumes ?? [];
  return [
    [...who, ...amounts(auditResult)],
    ...volumes.flatMap((volume) => [
      ...(volume.differingChunks > 0 ? [['', '', `  ${volumeName(volume)}`, ...amounts(volume)]] : []),
      ...(volume.strayBytes === undefined
        ? []
        : [['', '', `  ${volumeName(volume)}, was zeros`, '', '', '', formatBytes(volume.strayBytes)]]),
    ]),
  ];
}

/** `2 equal, 1 differs`: of the hosts that were read. */
export function sumOfDrift({ tasks }: SessionView): string {
  const results = tasks.flatMap(({ state, auditResult }) => (state === 'succeeded' ? (auditResult ?? []) : []));
  const differing = results.filter(isDrifted).length;
  const equal = results.length - differing;
  return `${formatCount(equal)} equal, ${formatCount(differing)} ${differing === 1 ? 'differs' : 'differ'}`;
}

function resultOf(state: TaskView['state'], drift: Drift | undefined): string {
  if (drift === undefined) return state;
  return isDrifted(drift) ? sayDifferent(drift) : 'equal';
}

function sayDifferent({ layoutDiffers }: Drift): string {
  return layoutDiffers ? 'differs (partition table too)' : 'differs';
}

/** `equal    /dev/sda Samsung 980 S64 (256.1 GB)`, of each of several disks. */
export function driftLines({ disks = [] }: Pick<AuditResult, 'disks'> = {}): string[] {
  return disks.map((one) => {
    const name = `${one.disk.path} ${describeDisk(one.disk)}`;
    if (hasFailed(one)) return `FAILED   ${name}: ${one.error.code}`;
    return isDrifted(one) ? `differs  ${name}: ${describeDrift(one)}` : `equal    ${name}`;
  });
}

/** `20 of 1,000 differ, and the partition table`, `equal`. */
export function describeDrift(drift: Drift): string {
  if (!isDrifted(drift)) return 'equal';
  const { differingChunks, chunks, layoutDiffers, strayBytes } = drift;
  const stray = strayBytes === undefined ? '' : `, ${formatBytes(strayBytes)} are no zeros any more`;
  const table = layoutDiffers ? ', and the partition table' : '';
  return `${formatCount(differingChunks)} of ${formatCount(chunks)} differ${stray}${table}`;
}

function amounts(found: Omit<Drift, 'layoutDiffers' | 'volumes'> | undefined): string[] {
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
