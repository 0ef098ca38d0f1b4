/** Several disks of one host that took the same image, for people. Pure. */

import { type DiskIdentity, describeDisk } from '#protocol/disk.ts';
import type { DiskResult } from '#protocol/task-result.ts';
import { countOf, formatBytes, formatCount } from './size.ts';
import { printable } from './terminal.ts';

/** `Samsung 980 S64`, with how many there are besides. */
export function nameDisks({ disk, twins = [] }: { disk: DiskIdentity; twins?: readonly DiskIdentity[] }): string {
  const name = `${disk.model} ${disk.serial}`.trim();
  return twins.length === 0 ? name : `${name} and ${countOf(twins.length, 'more disk')}`;
}

interface Laid {
  readonly chunks?: number;
  readonly disks?: readonly DiskResult[];
}

interface Finished extends Laid, Pick<DiskResult, 'containers' | 'finishers' | 'fitted'> {
  readonly host: string;
  readonly verifiedChunks?: number;
}

/** A block a host that has several disks, with a line for each; undefined when no host has. */
export function renderDisks(
  hosts: readonly { readonly host: string; readonly lines: readonly string[] }[],
): string | undefined {
  const blocks = hosts
    .filter(({ lines }) => lines.length > 0)
    .map(({ host, lines }) =>
      [`Disks of ${printable(host)}:`, ...lines.map((line) => `  ${printable(line)}`)].join('\n'),
    );
  return blocks.length === 0 ? undefined : blocks.join('\n');
}

/** Of each disk of a deployment with several: what was written and verified, or why not. */
export function laidLines({ chunks = 0, disks = [] }: Laid): string[] {
  return disks.map((disk) => lineOf(disk, chunks));
}

/** What was done to each disk of a host that has several, under its name; else to the host. */
export function finishedDisks(hosts: readonly Finished[]): Finished[] {
  return hosts.flatMap(({ host, disks, ...finished }): Finished[] =>
    disks === undefined
      ? [{ host, ...finished }]
      : disks.map((disk) => ({
          ...disk,
          ...ownOf(disk, finished.chunks),
          host: `${host} ${disk.disk.path}`,
        })),
  );
}

/** Chunks that belong on the disk: of an image of several disks its part. */
function ownOf({ ownChunks }: DiskResult, chunks: number | undefined): { chunks?: number } {
  const own = ownChunks ?? chunks;
  return own === undefined ? {} : { chunks: own };
}

function lineOf(result: DiskResult, allChunks: number): string {
  const { chunks = allChunks } = ownOf(result, allChunks);
  const { disk, error, castBytes, httpBytes, keptBytes = 0, verifiedChunks } = result;
  const name = `${disk.path} ${describeDisk(disk)}`;
  if (error !== undefined) return `FAILED  ${name}: ${error.code}`;
  const kept = keptBytes === 0 ? '' : `, ${formatBytes(keptBytes)} left as it was`;
  const verified =
    verifiedChunks >= chunks
      ? `all ${countOf(chunks, 'chunk')}`
      : `${formatCount(verifiedChunks)} of ${countOf(chunks, 'chunk')}`;
  return `done    ${name}: ${formatBytes(castBytes + httpBytes)} written${kept}, ${verified} verified`;
}
