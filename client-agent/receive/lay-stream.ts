/** From a stream of frames to chunks on the disk: the one road for a cast and for a repair. */
import type { HoleSet } from '#protocol/holes.ts';
import type { ByteSource } from './byte-source.ts';
import type { DiskWorkers, Slab } from './disk-workers.ts';
import type { ChunkFrame, FrameReader } from './frame-reader.ts';
import type { StreamGauge } from './stream-gauge.ts';

export interface LayOptions {
  readonly source: ByteSource;
  readonly reader: FrameReader;
  readonly workers: DiskWorkers;
  /** What is still lacking; chunks that are laid are taken out, others in the stream are left alone. */
  readonly holes: HoleSet;
  readonly signal: AbortSignal;
  /** Told what is read, and when there is no room. */
  readonly gauge?: StreamGauge;
  /** Called once, when the first chunk is about to be written; nothing is written before it resolves. */
  beforeFirstWrite(): Promise<void>;
  onLaid(laid: Laid): void;
}

export interface Laid {
  chunks: number;
  /** Bytes on the disk. */
  plainBytes: number;
  /** Chunks that arrived and did not match the manifest: they stay holes. */
  badChunks: number;
}

/**
 * Reads to the end of the stream, to a mismatching announcement or to the abort, and returns when everything that was
 * handed on is written. Throws DISK_WRITE_FAILED, what the source throws, and AbortError.
 */
export async function layStream(o: LayOptions): Promise<Laid> {
  const sum: Laid = { chunks: 0, plainBytes: 0, badChunks: 0 };
  const running = new Set<Promise<void>>();
  let failure: unknown;
  let begun: Promise<void> | undefined;

  const handOver = (slab: Slab, frames: ChunkFrame[]) => {
    const wanted = frames.filter((frame) => o.holes.has(frame.ordinal));
    if (wanted.length === 0) return o.workers.giveBack(slab);
    begun ??= o.beforeFirstWrite();
    const job = begun
      .then(
        () => o.workers.lay(slab, wanted),
        (error: unknown) => {
          o.workers.giveBack(slab);
          throw error;
        },
      )
      .then((answer) => {
        const bad = new Set(answer.bad);
        for (const frame of wanted) if (!bad.has(frame.ordinal)) o.holes.delete(frame.ordinal);
        sum.chunks += answer.good;
        sum.plainBytes += answer.plainBytes;
        sum.badChunks += bad.size;
        o.onLaid(sum);
      })
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => running.delete(job));
    running.add(job);
  };

  let slab = await o.workers.takeSlab();
  let frames: ChunkFrame[] = [];
  let from = 0;
  let to = 0;
  try {
    while (failure === undefined && o.reader.mismatch === undefined) {
      o.signal.throwIfAborted();
      if (to === slab.bytes.length) {
        const room = o.workers.takeSlab();
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
    if (o.signal.aborted) o.workers.giveBack(slab);
    else handOver(slab, frames);
    await Promise.all(running);
  }
  if (failure !== undefined) throw failure;
  o.signal.throwIfAborted();
  return sum;
}
