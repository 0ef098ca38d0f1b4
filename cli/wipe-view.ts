/** The plan of a wipe and what came of it, for people. Pure. */
import type { PlanHost } from '#protocol/admin/plan-api.ts';
import type { TaskView } from '#protocol/admin/session-api.ts';
import type { WipePlan } from '#protocol/admin/wipe-api.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { otherDisksBlock, refusalBlock, takingPart } from './plan-view.ts';
import { countOf, formatBytes } from './size.ts';
import { renderTable } from './table.ts';

export function renderWipePlan(plan: WipePlan, paintHead?: (text: string) => string): string {
  const going = takingPart(plan);
  const bytes = going.reduce((sum, host) => sum + (host.disk?.sizeBytes ?? 0), 0);
  const head = ['HOST', 'NOW', 'DISK', 'SERIAL', 'SIZE', 'WILL BE LOST FOR GOOD'];
  const blocks = [
    `Plan: wipe (${plan.method}) a disk of ${countOf(plan.hosts.length, 'host')}`,
    ...(going.length === 0
      ? []
      : [renderTable(head, going.map(rowOf), { right: [4], ...(paintHead ? { paintHead } : {}) })]),
    otherDisksBlock(going),
    refusalBlock(plan),
    `Erases ${countOf(going.length, 'disk')}, ${formatBytes(bytes)} in all. Nothing brings it back.`,
  ];
  return blocks.filter((block) => block !== undefined).join('\n\n');
}

function rowOf({ host, presence, disk, diskPath, lost }: PlanHost): string[] {
  const name = [disk?.model, diskPath].filter(Boolean).join(' ');
  return [host, presence, name, disk?.serial ?? '', disk ? formatBytes(disk.sizeBytes) : '', lost || 'nothing known'];
}

/** One row of the receipt: how, and what was read back. */
export function wipeCells({ wipeResult }: Pick<TaskView, 'wipeResult'>): string[] {
  return wipeResult === undefined ? ['', ''] : [wipeResult.how, describeSamples(wipeResult)];
}

/** `258 blocks of 1.0 MB (first, last, 256 random): all empty`. */
export function describeSamples({ sampledBlocks, sampleBytes, emptyBlocks, disk }: WipeResult): string {
  const isAll = sampledBlocks * sampleBytes >= disk.sizeBytes;
  const which = isAll ? 'the whole disk' : `first, last, ${sampledBlocks - 2} random`;
  const changed = sampledBlocks - emptyBlocks;
  const found = changed === 0 ? 'all empty' : `${emptyBlocks} empty, ${changed} changed`;
  return `${countOf(sampledBlocks, 'block')} of ${sampleBytes / 1024 ** 2} MiB (${which}): ${found}`;
}
