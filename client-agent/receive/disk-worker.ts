/**
 * The thread that does the work on chunks: decompress, check, write in long aligned runs; or read back and check.
 * It is told by disk-workers.ts and shares its memory. One job at a time, in the order of arrival.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { CHUNK_ID_BYTES, chunkIdOf, maskUnused } from '#protocol/chunk.ts';
import { KnownError } from '#protocol/errors.ts';
import { placeManifest } from '#protocol/fit.ts';
import { type ChunkPlace, decodeManifest, idAt, type Manifest, placeOf } from '#protocol/manifest.ts';
import { partOfDisk } from '#protocol/source-disk.ts';
import { DirectFile } from '../disk/direct-file.ts';
import type { Job, JobAnswer, LayJob, WorkerStart } from './disk-workers.ts';
import { ZstdDecoder } from './zstd-decoder.ts';

const start = workerData as WorkerStart;
const port = parentPort!;
const manifest = placeManifest(partOfDisk(decodeManifest(Buffer.from(start.manifest)), start.source), start.fit);
const disk = DirectFile.open(start.diskPath, 'write');
const decoder = new ZstdDecoder();
const runBuffer = Buffer.from(start.runs, start.runOffset, start.runBytes);

port.on('message', (job: Job) => {
  port.postMessage(answer(job));
  if (job.kind === 'close') port.close();
});

function answer(job: Job): JobAnswer {
  try {
    if (job.kind === 'lay') return { id: job.id, ...layChunks(job) };
    if (job.kind === 'verify') return { id: job.id, good: 0, plainBytes: 0, bad: findWrongChunks(job.from, job.to) };
    if (job.kind === 'sync') disk.sync();
    else disk.close();
    return { id: job.id, good: 0, plainBytes: 0, bad: [] };
  } catch (error) {
    const body = error instanceof KnownError ? error.toBody() : undefined;
    return { id: job.id, good: 0, plainBytes: 0, bad: [], failed: body ?? String(error) };
  }
}

/** Writes the good ones of these frames; neighbours on the disk become one write. */
function layChunks(job: LayJob): { good: number; plainBytes: number; bad: number[] } {
  const slab = Buffer.from(start.slabs!, job.slabOffset, job.slabBytes);
  const bad: number[] = [];
  let plainSum = 0;
  let runAt = 0;
  let runLength = 0;
  const flush = () => {
    if (runLength > 0) disk.writeAt(runBuffer, runAt, runLength);
    runLength = 0;
  };
  for (let i = 0; i < job.frames.length; i += 4) {
    const ordinal = job.frames[i]!;
    const offset = job.frames[i + 1]!;
    const payload = slab.subarray(offset, offset + job.frames[i + 2]!);
    const { diskOffset, plainBytes } = placeOf(manifest, ordinal);
    if (diskOffset !== runAt + runLength || runLength + plainBytes >= runBuffer.length) flush();
    if (runLength === 0) runAt = diskOffset;
    const isGood =
      job.frames[i + 3] === plainBytes &&
      decoder.unpack(payload, runBuffer, runLength, plainBytes) &&
      isChunk(runBuffer.subarray(runLength, runLength + plainBytes), manifest, ordinal);
    if (!isGood) {
      bad.push(ordinal);
      continue;
    }
    runLength += plainBytes;
    plainSum += plainBytes;
  }
  flush();
  return { good: job.frames.length / 4 - bad.length, plainBytes: plainSum, bad };
}

/** Reads the chunks [from, to) back from the disk; gives the ordinals whose bytes are not what the manifest says. */
function findWrongChunks(from: number, to: number): number[] {
  const wrong: number[] = [];
  for (let first = from; first < to; ) {
    const run = [placeOf(manifest, first)];
    let runLength = run[0]!.plainBytes;
    while (first + run.length < to) {
      const next = placeOf(manifest, first + run.length);
      if (next.diskOffset !== run[0]!.diskOffset + runLength) break;
      if (runLength + next.plainBytes > runBuffer.length) break;
      run.push(next);
      runLength += next.plainBytes;
    }
    disk.readAt(runBuffer, run[0]!.diskOffset, runLength);
    let at = 0;
    for (const [i, place] of run.entries()) {
      const plain = runBuffer.subarray(at, at + place.plainBytes);
      if (!isChunkOnDisk(plain, place, first + i)) wrong.push(first + i);
      at += place.plainBytes;
    }
    first += run.length;
  }
  return wrong;
}

function isChunkOnDisk(plain: Buffer, place: ChunkPlace, ordinal: number): boolean {
  maskUnused(plain, place.volumeOffset, place.volume.extents);
  return isChunk(plain, manifest, ordinal);
}

function isChunk(plain: Buffer, of: Manifest, ordinal: number): boolean {
  const id = chunkIdOf(plain);
  return id.length === CHUNK_ID_BYTES && id.equals(idAt(of, ordinal));
}
