/** From a stream of frames to chunks on the disks of a task: the one road for a cast and for a repair. */
import type { HoleSet } from '#protocol/holes.ts';
import type { ByteSource } from './byte-source.ts';
import type { DiskWorkers } from './disk-workers.ts';
import type { ChunkFrame, FrameReader } from './frame-reader.ts';
import type { Slab, SlabPool } from './slab-pool.ts';
import type { StreamGauge } from './stream-gauge.ts';

/** Of all slabs: so much waits for a disk that holds others up, at most so much for those others. */
const SLOW_SHARE = 1 / 2;
const QUICK_SHARE = 1 / 4;

export interface LayOptions {
  readonly source: ByteSource;
  readonly reader: FrameReader;
  readonly slabs: SlabPool;
  /** Each takes what it lacks of the same stream. */
  readonly targets: readonly LayTarget[];
  /** A disk that is much slower than the others is left out where it would hold them up; it keeps more holes. */
  readonly leavesOutSlow: boolean;
  readonly signal: AbortSignal;
  /** Told what is read, and when there is no room. */
  readonly gauge?: StreamGauge;
}

export interface LayTarget {
  readonly workers: Pick<DiskWorkers, 'lay'>;
  /** What is still lacking; chunks that are laid are taken out, others in the stream are left alone. */
  readonly holes: HoleSet;
  /** Called once, when the first chunk is about to be written; nothing is written before it resolves. */
  beforeFirstWrite(): Promise<void>;
  onLaid(laid: Laid): void;
  /** Called once, with the first thing that failed: it takes nothing more. */
  onFailed(error: unknown): void;
}

export interface Laid {
  chunks: number;
  /** Bytes on the disk. */
  plainBytes: number;
  /** Chunks that arrived and did not match the manifest: they stay holes. */
  badChunks: number;
}

/** A target while the stream lasts. */
interface Laying {
  readonly target: LayTarget;
  readonly sum: Laid;
  begun: Promise<void> | undefined;
  /** Slabs that it has not dealt with. */
  queued: number;
  hasFailed: boolean;
}

/**
 * Reads to the end of the stream, to a mismatching announcement, to the abort, or until every target has failed, and returns when
 * everything that was handed on is written: what came to each target. Throws what the source throws, and AbortError.
 */
export async function layStream(o: LayOptions): Promise<Laid[]> {
  const { slabs } = o;
  const layings = o.targets.map(
    (target): Laying => ({
      target,
      sum: { chunks: 0, plainBytes: 0, badChunks: 0 },
      begun: undefined,
      queued: 0,
      hasFailed: false,
    }),
  );
  const running = new Set<Promise<void>>();

  const handOver = (slab: Slab, frames: readonly ChunkFrame[]) => {
    const taking = layings.flatMap((laying) => {
      const wanted = laying.hasFailed ? [] : frames.filter((frame) => laying.target.holes.has(frame.ordinal));
      return wanted.length === 0 ? [] : { laying, wanted };
    });
    const slow = o.leavesOutSlow
      ? findSlow(
          taking.map(({ laying }) => laying.queued),
          slabs.count,
        )
      : [];
    slabs.queue(slab);
    const jobs = taking.filter((_, i) => !slow.includes(i)).map(({ laying, wanted }) => layOn(laying, slab, wanted));
    const job = Promise.all(jobs).then(() => {
      slabs.giveBack(slab);
      running.delete(job);
    });
    running.add(job);
  };

  let slab = await slabs.takeSlab();
  let frames: ChunkFrame[] = [];
  let from = 0;
  let to = 0;
  try {
    while (layings.some((laying) => !laying.hasFailed) && o.reader.mismatch === undefined) {
      o.signal.throwIfAborted();
      if (to === slab.bytes.length) {
        const room = slabs.takeSlab();
        const next = await (o.gauge === undefined ? room : o.gauge.stalled(room));
        slab.bytes.copy(next.bytes, 0, from, to);
        handOver(slab, frames);
        [slab, frames, from, to] = [next, [], 0, to - from];
      }
      const got = await o.source.read(slab.bytes.subarray(to));
      if (got === 0) break;
      o.gauge?.received(got);
      to += got;
      const scan = o.reader.scan(slab.bytes.subarray(from, to));
      for (const frame of scan.frames) frames.push({ ...frame, offset: frame.offset + from });
      from += scan.consumed;
    }
    o.reader.finish(to - from);
  } finally {
    if (o.signal.aborted) slabs.giveBack(slab);
    else handOver(slab, frames);
    await Promise.all(running);
  }
  o.signal.throwIfAborted();
  return layings.map(({ sum }) => sum);
}

/** Never throws: a target that fails says so itself. */
async function layOn(laying: Laying, slab: Slab, wanted: readonly ChunkFrame[]): Promise<void> {
  const { target, sum } = laying;
  laying.queued++;
  try {
    laying.begun ??= target.beforeFirstWrite();
    await laying.begun;
    const answer = await target.workers.lay(slab, wanted);
    const bad = new Set(answer.bad);
    for (const { ordinal } of wanted) if (!bad.has(ordinal)) target.holes.delete(ordinal);
    sum.chunks += answer.good;
    sum.plainBytes += answer.plainBytes;
    sum.badChunks += bad.size;
    target.onLaid(sum);
  } catch (error) {
    if (!laying.hasFailed) target.onFailed(error);
    laying.hasFailed = true;
  } finally {
    laying.queued--;
  }
}

/** Which of the disks hold the others up: `queued` are the slabs that wait for each of them, of `slabCount`. Pure. */
export function findSlow(queued: readonly number[], slabCount: number): number[] {
  const quickest = Math.min(...queued);
  if (quickest > slabCount * QUICK_SHARE) return [];
  return queued.flatMap((slabs, i) => (slabs >= slabCount * SLOW_SHARE ? i : []));
}
