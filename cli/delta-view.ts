/** What the admin reads of hashing: in a plan who will do it and why, in a receipt what it spared. */
import type { PlanHost } from '#protocol/admin/plan-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { formatDuration } from './duration.ts';
import { countOf, formatBytes } from './size.ts';
import { printable } from './terminal.ts';

/** More names than this make a count. */
const MOST_NAMES = 4;

/** Hosts with the same estimates share a line. undefined when nothing is known of any disk and nobody will hash: then there is nothing to choose. */
export function renderDelta(hosts: readonly PlanHost[]): string | undefined {
  const estimated = hosts.filter((host) => host.delta !== undefined);
  const hashing = estimated.filter((host) => host.delta!.hash);
  if (hashing.length === 0 && estimated.every((host) => host.delta!.moveShare === 1)) return undefined;
  const lines = Map.groupBy(estimated, lineOf)
    .entries()
    .map(([line, alike]) => `  ${namesOf(alike)}: ${line}`);
  return [headOf(estimated.length, hashing.length), ...lines].join('\n');
}

/** What hosts had on their disks already; undefined when nobody had anything. */
export function renderKept({ tasks }: SessionView): string | undefined {
  const kept = tasks.map((task) => task.deployResult?.keptBytes ?? 0).filter((bytes) => bytes > 0);
  if (kept.length === 0) return undefined;
  const sum = kept.reduce((all, bytes) => all + bytes, 0);
  return `Left as it was, because hashing found it right: ${formatBytes(sum)} on ${countOf(kept.length, 'host')}.`;
}

function headOf(all: number, hashing: number): string {
  if (hashing === 0) return 'Delta: no host hashes its disk first.';
  const others = all - hashing;
  const rest = others === 0 ? '' : `, ${countOf(others, 'host')} ${others === 1 ? 'takes' : 'take'} everything`;
  return `Delta: ${countOf(hashing, 'host')} ${hashing === 1 ? 'hashes its disk' : 'hash their disks'} first${rest}.`;
}

function lineOf({ delta }: PlanHost): string {
  const { hash, hashSeconds, moveShare, deltaSeconds, fullSeconds, because } = delta!;
  const move = `move ~${Math.round(moveShare * 100)} %`;
  const asDelta = `hash ${formatDuration(hashSeconds)} + ${move} = ${formatDuration(deltaSeconds)}`;
  const asFull = `everything ${formatDuration(fullSeconds)}`;
  const both = hash ? `${asDelta}, against ${asFull}` : `${asFull}, against ${asDelta}`;
  return `${both} (${printable(because)})`;
}

function namesOf(hosts: readonly PlanHost[]): string {
  const names = hosts.map((host) => host.host);
  if (names.length <= MOST_NAMES) return names.join(', ');
  return `${names.slice(0, MOST_NAMES - 1).join(', ')} and ${countOf(names.length - MOST_NAMES + 1, 'other')}`;
}
