/**
 * One way through a disk: batches are loaded, asked about, and what the server lacks is packed and sent, several at once and
 * always in disk order. Batch n works in slot n mod N and leaves it before batch n + N enters.
 */
import { CHUNK_ID_BYTES, usedBytesOf } from '#protocol/chunk.ts';
import { type Batch, type SourceVolume, volumeOfBatch } from './batches.ts';
import type { LoadedBatch } from './chunk-loader.ts';
import type { LackingQueue } from './lacking-queue.ts';
import type { Slots } from './slots.ts';
import type { Uploads } from './uploads.ts';
import type { CaptureWorkers } from './worker-pool.ts';

export interface PassTools {
  readonly slots: Slots;
  readonly workers: CaptureWorkers;
  readonly questions: LackingQueue;
  readonly uploads: Uploads;
}

/** A batch that is through. */
export interface PassedBatch {
  readonly batch: Batch;
  readonly loaded: LoadedBatch;
  /** Used bytes in it; of a raw volume all bytes, because all were read. */
  readonly readBytes: number;
  /** How many of its chunks were sent. */
  readonly sentChunks: number;
}

interface PackedBatch extends PassedBatch {
  readonly slot: number;
  /** Of its stored chunks, in the slot. */
  readonly storedBytes: number;
}

/** Yields batches in order, when their chunks are on the way. Throws DISK_READ_FAILED and what the server refuses. */
export async function* runPass(
  batches: Iterable<Batch>,
  volumes: readonly SourceVolume[],
  tools: PassTools,
): AsyncGenerator<PassedBatch> {
  const inFlight: Promise<PackedBatch>[] = [];
  let next = 0;
  for (const batch of batches) {
    if (inFlight.length === tools.slots.count) yield await send(await inFlight.shift()!, tools);
    const packing = packBatch(batch, volumes[batch.volume]!, next++ % tools.slots.count, tools);
    // Its failure is told when its turn comes.
    packing.catch(() => {});
    inFlight.push(packing);
  }
  for (const packing of inFlight) yield await send(await packing, tools);
  await tools.uploads.finish();
}

async function packBatch(batch: Batch, volume: SourceVolume, slot: number, tools: PassTools): Promise<PackedBatch> {
  const { indices } = batch;
  const inSlot = { slot, indices, volume: volumeOfBatch(volume, batch, tools.slots.chunkBytes) };
  const loaded = await tools.workers.load(inSlot);
  const passed = { batch, loaded, slot, readBytes: readBytesOf(inSlot.volume, indices, tools.slots.chunkBytes) };
  const lacking = await tools.questions.lacking(loaded.ids);
  if (lacking.length === 0) return { ...passed, sentChunks: 0, storedBytes: 0 };
  const places = Uint32Array.from(lacking, (i) => loaded.places[i]!);
  const storedBytes = await tools.workers.pack(inSlot, places, pickIds(loaded.ids, lacking));
  return { ...passed, sentChunks: lacking.length, storedBytes };
}

async function send(packed: PackedBatch, { slots, uploads }: PassTools): Promise<PassedBatch> {
  if (packed.storedBytes === 0) await uploads.rest();
  // A copy: the slot belongs to another batch before the socket has taken everything.
  else await uploads.write(Buffer.from(slots.stored(packed.slot).subarray(0, packed.storedBytes)));
  return packed;
}

function pickIds(ids: Uint8Array, places: readonly number[]): Uint8Array {
  const out = new Uint8Array(places.length * CHUNK_ID_BYTES);
  for (const [i, place] of places.entries()) {
    out.set(ids.subarray(place * CHUNK_ID_BYTES, (place + 1) * CHUNK_ID_BYTES), i * CHUNK_ID_BYTES);
  }
  return out;
}

function readBytesOf({ extents, sizeBytes }: SourceVolume, indices: Uint32Array, chunkBytes: number): number {
  if (extents !== undefined) return usedBytesOf(extents);
  return Math.min((indices.at(-1)! + 1) * chunkBytes, sizeBytes) - indices[0]! * chunkBytes;
}
