/** Reading chunks at their places on the disk and comparing them with the manifest: how a host hashes its disk, and how it verifies it. */
import { KnownError } from '#protocol/errors.ts';
import type { HoleSet } from '#protocol/holes.ts';
import { type Manifest, placeOf } from '#protocol/manifest.ts';
import type { DiskWorkers } from './disk-workers.ts';
import type { Meter } from './progress-meter.ts';

/** Chunks that a worker reads between two looks at the order. */
const BATCH_CHUNKS = 64;
/** A rate measured over less says more about caches than about the disk. */
const LEAST_MEASURED_BYTES = 16 * 1024 * 1024;

export interface ReadBackOptions {
  readonly manifest: Manifest;
  readonly workers: Pick<DiskWorkers, 'verify' | 'count'>;
  /** Read these. What is right on the disk is taken out; what is not stays. */
  readonly unverified: HoleSet;
  /** What is wrong on the disk is added, what is right is taken out. */
  readonly holes: HoleSet;
  /** What to make of chunks that the disk does not give: writing often heals a sector that cannot be read. */
  readonly unreadable: 'fail' | 'wrong';
  readonly meter: Meter;
  readonly signal: AbortSignal;
}

/**
 * Writes nothing. May be repeated: what was found right is not read again. Returns how fast the disk was read, in bytes a
 * second; undefined when too little was read to tell. Throws DISK_READ_FAILED (`unreadable: fail`) and AbortError.
 */
export async function readBack(o: ReadBackOptions): Promise<number | undefined> {
  const { manifest, workers, unverified, holes, meter, signal } = o;
  const totalBytes = plainBytesOf(manifest, unverified);
  const batches = batchesOf(unverified);
  const beganMs = performance.now();
  let doneBytes = 0;
  const findWrong = async (from: number, to: number) => {
    try {
      return await workers.verify(from, to);
    } catch (error) {
      const isUnreadable = error instanceof KnownError && error.code === 'DISK_READ_FAILED';
      if (o.unreadable === 'fail' || !isUnreadable) throw error;
      return Array.from({ length: to - from }, (_, i) => from + i);
    }
  };
  const readOn = async () => {
    for (const { from, to } of batches) {
      signal.throwIfAborted();
      const wrong = new Set(await findWrong(from, to));
      for (let ordinal = from; ordinal < to; ordinal++) {
        doneBytes += placeOf(manifest, ordinal).plainBytes;
        if (wrong.has(ordinal)) {
          holes.add(ordinal);
        } else {
          holes.delete(ordinal);
          unverified.delete(ordinal);
        }
      }
      meter.moved(doneBytes, totalBytes);
    }
  };
  // The workers share one list of batches.
  await Promise.all(Array.from({ length: workers.count }, readOn));
  const seconds = (performance.now() - beganMs) / 1000;
  return doneBytes < LEAST_MEASURED_BYTES || seconds === 0 ? undefined : Math.round(doneBytes / seconds);
}

/** Plain bytes of these chunks together. */
export function plainBytesOf(manifest: Manifest, ordinals: Iterable<number>): number {
  let sum = 0;
  for (const ordinal of ordinals) sum += placeOf(manifest, ordinal).plainBytes;
  return sum;
}

/** Runs of ordinals, end exclusive, as they are now: the set may shrink while they are read. */
function batchesOf(ordinals: HoleSet): ArrayIterator<{ from: number; to: number }> {
  const batches: { from: number; to: number }[] = [];
  for (const ordinal of ordinals) {
    const last = batches.at(-1);
    if (last?.to === ordinal && ordinal - last.from < BATCH_CHUNKS) last.to++;
    else batches.push({ from: ordinal, to: ordinal + 1 });
  }
  return batches.values();
}
