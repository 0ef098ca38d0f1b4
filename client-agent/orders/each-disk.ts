/** The same work on every disk of a task at once: one that fails is noted and told, the others go on. */
import type { Disk } from '#protocol/disk.ts';
import type { FailedDisk } from '#protocol/failed-disk.ts';
import type { Logger } from '#system/log.ts';
import { bodyOf, disksFailed, sayFailed } from './disk-failure.ts';

export interface EachDiskOptions {
  readonly signal: AbortSignal;
  readonly log: Pick<Logger, 'warn'>;
  /** One for each disk that has failed is added. */
  readonly warnings: string[];
}

/** Results in the order of the disks. Throws DISKS_FAILED when all of several have failed, what the work throws on the only one, AbortError. */
export async function onEachDisk<T>(
  disks: readonly Disk[],
  { signal, log, warnings }: EachDiskOptions,
  work: (disk: Disk, i: number) => Promise<T>,
): Promise<(T | FailedDisk)[]> {
  if (disks.length === 1) return [await work(disks[0]!, 0)];
  const failed: FailedDisk[] = [];
  const results = await Promise.all(
    disks.map(async (disk, i) => {
      try {
        return await work(disk, i);
      } catch (error) {
        signal.throwIfAborted();
        log.warn({ err: error, disk }, 'a disk has failed');
        const one = { disk, error: bodyOf(error) };
        failed.push(one);
        warnings.push(`${sayFailed(one)}. The other disks of this host go on`);
        return one;
      }
    }),
  );
  if (failed.length === disks.length) throw disksFailed(failed, disks.length);
  return results;
}
