/** A worker thread of a capture: loads batches from the disk and packs the chunks that the server lacks. */
import { parentPort, workerData } from 'node:worker_threads';
import { CHUNK_ID_BYTES, chunkLength } from '#protocol/chunk.ts';
import { KnownError } from '#protocol/errors.ts';
import { DirectFile } from '../disk/direct-file.ts';
import { loadBatch } from './chunk-loader.ts';
import { packChunk } from './chunk-packer.ts';
import { Slots } from './slots.ts';
import type { CaptureJob, CaptureJobResult, CaptureWorkerData } from './worker-pool.ts';

const { diskPaths, chunkBytes, zstdLevel, memory, badSectors } = workerData as CaptureWorkerData;
const slots = new Slots(chunkBytes, memory);
const disks = diskPaths.map((path) => DirectFile.open(path, 'read'));

parentPort!.on('message', (job: CaptureJob) => {
  try {
    parentPort!.postMessage(perform(job));
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    parentPort!.postMessage({ kind: 'failed', error: error.toBody() } satisfies CaptureJobResult);
  }
});

function perform(job: CaptureJob): CaptureJobResult {
  if (job.kind === 'pack') return { kind: 'packed', storedBytes: pack(job) };
  const plain = slots.plain(job.slot);
  const disk = disks[job.volume.disk ?? 0]!;
  return { kind: 'loaded', ...loadBatch(disk, job.volume, job.indices, chunkBytes, plain, badSectors) };
}

function pack(job: Extract<CaptureJob, { kind: 'pack' }>): number {
  const plain = slots.plain(job.slot);
  const out = slots.stored(job.slot);
  let end = 0;
  for (const [i, place] of job.places.entries()) {
    const length = chunkLength(job.indices[place]!, chunkBytes, job.volume.sizeBytes);
    const chunk = plain.subarray(place * chunkBytes, place * chunkBytes + length);
    end = packChunk(chunk, job.ids.subarray(i * CHUNK_ID_BYTES), zstdLevel, out, end);
  }
  return end;
}
