/** A disk of a task that has failed, and what the admin reads of it. `{host}` stays open in all of it. Pure. */
import { type Disk, describeDisk } from '#protocol/disk.ts';
import { type ErrorBody, KnownError, knownError } from '#protocol/errors.ts';
import type { FailedDisk } from '#protocol/failed-disk.ts';

/** The error as it is told, whatever was thrown. */
export function bodyOf(error: unknown): ErrorBody {
  if (error instanceof KnownError) return error.toBody();
  return knownError('AGENT_FAILED', { reason: error instanceof Error ? error.message : String(error) }).toBody();
}

/** Those of the targets of a job. */
export function failuresOf(
  targets: readonly { readonly disk: Disk; readonly failure: ErrorBody | undefined }[],
): FailedDisk[] {
  return targets.flatMap(({ disk, failure }) => (failure === undefined ? [] : { disk, error: failure }));
}

/** Why a task fails some of whose disks have failed; undefined: none has. */
export function problemOf({
  disks = [],
}: {
  readonly disks?: readonly { readonly disk: Disk; readonly error?: ErrorBody }[];
}): KnownError | undefined {
  const failed = disks.flatMap(({ disk, error }) => (error === undefined ? [] : { disk, error }));
  return failed.length === 0 ? undefined : disksFailed(failed, disks.length);
}

/** DISKS_FAILED: these, `of` so many. */
export function disksFailed(failed: readonly FailedDisk[], of: number): KnownError {
  const others = of - failed.length;
  const rest = ['none is left', 'the other one is done'][others] ?? `the other ${others} are done`;
  const problems = failed.map(sayFailed).join('; ');
  return knownError('DISKS_FAILED', { count: failed.length, of, rest, problems, disk: failed[0]!.disk.serial });
}

/** `/dev/sdb Samsung 980 S64 (256.1 GB): writing … failed`. */
export function sayFailed({ disk, error }: FailedDisk): string {
  return `${disk.path} ${describeDisk(disk)}: ${withoutHost(error.message)}`;
}

/** What is said of a disk, without the host that has it. */
export function withoutHost(message: string): string {
  return message.replace('{host}: ', '');
}
