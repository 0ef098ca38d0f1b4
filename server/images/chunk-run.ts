/** Reads indexed chunks of a pack in long runs and checks each of them. */
import { KnownError } from '#protocol/errors.ts';
import { STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import type { ChunkRow } from '../db/chunk-table.ts';
import { CHECK_BYTES } from './chunk-checker.ts';
import type { ChunkStore } from './chunk-store.ts';
import { joinIds } from './chunk-stream.ts';
import type { ChunkSlice } from './pack-writer.ts';

/** Chunks that lie side by side in a pack. */
export interface ChunkRun {
  /** Of the first stored header in the pack. */
  readonly offset: number;
  readonly bytes: number;
  readonly chunks: readonly ChunkRow[];
}

export interface CheckedRun {
  readonly bytes: Buffer;
  readonly good: readonly ChunkSlice[];
  readonly bad: readonly { readonly id: Buffer; readonly problem: string }[];
}

/** Joins chunks of one pack, given in the order in which they lie, into runs of about `maxBytes` at the most. */
export function groupRuns(chunks: readonly ChunkRow[], maxBytes = CHECK_BYTES): ChunkRun[] {
  const runs: { offset: number; bytes: number; chunks: ChunkRow[] }[] = [];
  for (const chunk of chunks) {
    const bytes = STORED_HEADER_BYTES + chunk.storedBytes;
    const last = runs.at(-1);
    if (last !== undefined && last.offset + last.bytes === chunk.offset && last.bytes + bytes <= maxBytes) {
      last.chunks.push(chunk);
      last.bytes += bytes;
    } else {
      runs.push({ offset: chunk.offset, bytes, chunks: [chunk] });
    }
  }
  return runs;
}

/** Never throws for damage: where a run cannot be read, its chunks are tried one by one. */
export async function checkRun(store: ChunkStore, packId: number, run: ChunkRun): Promise<CheckedRun> {
  const buffer = Buffer.allocUnsafeSlow(run.bytes);
  try {
    await store.readAt(packId, buffer, run.offset, run.bytes);
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    const [first] = run.chunks;
    if (run.chunks.length > 1) return checkOneByOne(store, packId, run);
    return { bytes: buffer, good: [], bad: first === undefined ? [] : [{ id: first.id, problem: error.message }] };
  }
  const slices = run.chunks.map((chunk) => ({ ...chunk, at: chunk.offset - run.offset }));
  const starts = Uint32Array.from(slices, (slice) => slice.at);
  const { bytes, problems } = await store.checker.check({ bytes: buffer, starts, ids: joinIds(slices) });
  const badPlaces = new Set(problems.map(([index]) => index));
  return {
    bytes: Buffer.from(bytes.buffer),
    good: slices.filter((_, i) => !badPlaces.has(i)),
    bad: problems.map(([index, problem]) => ({ id: slices[index]!.id, problem })),
  };
}

async function checkOneByOne(store: ChunkStore, packId: number, run: ChunkRun): Promise<CheckedRun> {
  const parts: CheckedRun[] = [];
  for (const single of groupRuns(run.chunks, 0)) parts.push(await checkRun(store, packId, single));
  let shift = 0;
  const good: ChunkSlice[] = [];
  for (const part of parts) {
    for (const slice of part.good) good.push({ ...slice, at: slice.at + shift });
    shift += part.bytes.length;
  }
  return { bytes: Buffer.concat(parts.map((part) => part.bytes)), good, bad: parts.flatMap((part) => part.bad) };
}
