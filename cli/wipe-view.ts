/** The plan of a wipe and what came of it, for people. Pure. */
import type { PlanHost } from '#protocol/admin/plan-api.ts';
import type { TaskView } from '#protocol/admin/session-api.ts';
import type { WipePlan } from '#protocol/admin/wipe-api.ts';
import { describeDisk } from '#protocol/disk.ts';
import { hasFailed } from '#protocol/failed-disk.ts';
import type { DiskWipe, WipeResult } from '#protocol/wipe.ts';
import { disksTaken, otherDisksBlock, refusalBlock, takingPart } from './plan-view.ts';
import { countOf, formatBytes } from './size.ts';
import { renderTable } from './table.ts';
import { nameDisks } from './twin-view.ts';

export function renderWipePlan(plan: WipePlan, paintHead?: (text: string) => string): string {
  const going = takingPart(plan);
  const count = disksTaken(plan);
  const bytes = going
    .flatMap((host) => [host, ...(host.twins ?? [])])
    .reduce((sum, { disk }) => sum + (disk?.sizeBytes ?? 0), 0);
  const head = ['HOST', 'NOW', 'DISK', 'SERIAL', 'SIZE', 'WILL BE LOST FOR GOOD'];
  const blocks = [
    `Plan: wipe (${plan.method}) ${count > going.length ? countOf(count, 'disk') : 'a disk'} of ${countOf(plan.hosts.length, 'host')}`,
    ...(going.length === 0
      ? []
      : [renderTable(head, going.flatMap(rowsOf), { right: [4], ...(paintHead ? { paintHead } : {}) })]),
    otherDisksBlock(going),
    refusalBlock(plan),
    `Erases ${countOf(count, 'disk')}, ${formatBytes(bytes)} in all. Nothing brings it back.`,
  ];
  return blocks.filter((block) => block !== undefined).join('\n\n');
}

/** A row a disk; the host is named in its first. */
function rowsOf(host: PlanHost): string[][] {
  return [
    [host.host, host.presence, ...diskCells(host)],
    ...(host.twins ?? []).map((twin) => ['', '', ...diskCells(twin)]),
  ];
}

function diskCells({ disk, diskPath, lost }: Pick<PlanHost, 'disk' | 'diskPath' | 'lost'>): string[] {
  const name = [disk?.model, diskPath].filter(Boolean).join(' ');
  return [name, disk?.serial ?? '', disk ? formatBytes(disk.sizeBytes) : '', lost || 'nothing known'];
}

/** Rows of the receipt, one a disk: how, and what was read back. The host, its result and time stand in the first. */
export function wipeRows(task: TaskView, result: string, time: string): string[][] {
  const { wipeResult } = task;
  if (wipeResult?.disks === undefined) {
    const cells = wipeResult === undefined ? ['', ''] : [wipeResult.how, describeSamples(wipeResult)];
    return [[task.host, result, nameDisks(task), ...cells, time]];
  }
  return wipeResult.disks.map((one, i) => {
    const own = hasFailed(one) ? `failed ${one.error.code}` : 'done';
    const cells = hasFailed(one) ? ['', ''] : [one.how, describeSamples(one)];
    return [i === 0 ? task.host : '', own, `${one.disk.path} ${describeDisk(one.disk)}`, ...cells, i === 0 ? time : ''];
  });
}

/** `done    /dev/sda Samsung 980 S64 (256.1 GB): blkdiscard; 258 blocks …`, of each of several disks. */
export function wipeLines({ disks = [] }: Pick<WipeResult, 'disks'> = {}): string[] {
  return disks.map((one) => {
    const name = `${one.disk.path} ${describeDisk(one.disk)}`;
    return hasFailed(one) ? `FAILED  ${name}: ${one.error.code}` : `done    ${name}: ${describeWipe(one)}`;
  });
}

/** `blkdiscard; 258 blocks of …`; of several disks how many were wiped. */
export function describeWipe({ disks, ...wiped }: WipeResult): string {
  if (disks === undefined) return `${wiped.how}; ${describeSamples(wiped)}`;
  return `${disks.filter((one) => !hasFailed(one)).length} of ${countOf(disks.length, 'disk')} wiped`;
}

/** Why disks that could have erased themselves did not; of several each is named. */
export function warningsOf(result: WipeResult | undefined): string[] {
  if (result?.disks === undefined) return result?.warning === undefined ? [] : [result.warning];
  return result.disks.flatMap((one) =>
    hasFailed(one) || one.warning === undefined ? [] : [`${one.disk.path} ${describeDisk(one.disk)}: ${one.warning}`],
  );
}

/** `258 blocks of 1.0 MB (first, last, 256 random): all empty`. */
export function describeSamples({ sampledBlocks, sampleBytes, emptyBlocks, disk }: DiskWipe): string {
  const isAll = sampledBlocks * sampleBytes >= disk.sizeBytes;
  const which = isAll ? 'the whole disk' : `first, last, ${sampledBlocks - 2} random`;
  const changed = sampledBlocks - emptyBlocks;
  const found = changed === 0 ? 'all empty' : `${emptyBlocks} empty, ${changed} changed`;
  return `${countOf(sampledBlocks, 'block')} of ${sampleBytes / 1024 ** 2} MiB (${which}): ${found}`;
}
