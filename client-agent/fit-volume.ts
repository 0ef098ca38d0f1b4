/**
 * Fits one volume of an image, given as a file, to another place: a program that the server runs for `fleetcast image fit`.
 *
 *   bin/node client-agent/fit-volume.ts <JOB     (JSON: protocol/volume-job.ts)
 *
 * The file is changed: boot sectors learn the new start, the filesystem is made smaller. Then it is captured as a disk without
 * a table, by the very code that captures disks: stored chunks (protocol/stored-chunk.ts) go to stdout, the manifest to a file.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { json } from 'node:stream/consumers';
import { Value } from 'typebox/value';
import type { CaptureOrder, ChunksAnswer } from '#protocol/agent-api.ts';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import type { Disk } from '#protocol/disk.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { type VolumeFailure, type VolumeJob, volumeJobSchema } from '#protocol/volume-job.ts';
import { shrinkFilesystem, TooSmallError } from './disk/filesystem-shrinker.ts';
import { moveHiddenSectors } from './disk/hidden-sectors.ts';
import { packPhysicalVolume } from './disk/lvm-packer.ts';
import { type CaptureLink, runCapture } from './orders/capture.ts';

async function fitVolume(job: VolumeJob): Promise<void> {
  const { file, filesystem, fromBytes, sizeBytes, chunkBytes, zstdLevel } = job;
  moveHiddenSectors({ path: file }, job, 0);
  if (job.pack !== undefined) await packPhysicalVolume(file, fromBytes, job.pack);
  else if (sizeBytes < fromBytes) await shrinkFilesystem(file, filesystem, fromBytes, sizeBytes);
  const disk: Disk = {
    ...{ path: file, model: '', serial: '', sizeBytes, sectorBytes: 512, transport: '' },
    ...{ removable: false, readOnly: false, inUse: false, content: '' },
  };
  const order: CaptureOrder = { kind: 'capture', rev: '', taskId: 0, sessionId: 0, disk, chunkBytes, zstdLevel };
  const link = linkTo(process.stdout, readFileSync(job.knownIds), job.manifest);
  await runCapture(order, { disks: [disk], link, signal: new AbortController().signal, onProgress: () => undefined });
}

/** A server that knows the chunks of the source and is glad of all others. */
function linkTo(out: NodeJS.WriteStream, knownIds: Buffer, manifestPath: string): CaptureLink {
  const have = new Set<string>();
  const idOf = (ids: Buffer, i: number) => ids.toString('latin1', i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES);
  for (let i = 0; i * CHUNK_ID_BYTES < knownIds.length; i++) have.add(idOf(knownIds, i));
  return {
    lacking: async (_taskId, ids) => {
      const bits = Buffer.alloc(Math.ceil(ids.length / CHUNK_ID_BYTES / 8));
      for (let i = 0; i * CHUNK_ID_BYTES < ids.length; i++) {
        const id = idOf(ids, i);
        if (have.has(id)) continue;
        bits[i >> 3]! |= 1 << (i & 7);
        // It is asked once before it is sent, and once at the end, when it has been.
        have.add(id);
      }
      return bits;
    },
    chunks: async (_taskId, body): Promise<ChunksAnswer> => {
      for await (const part of body) if (!out.write(Buffer.from(part))) await once(out, 'drain');
      return { stored: 0, duplicates: 0 };
    },
    manifest: async (_taskId, bytes) => {
      writeFileSync(manifestPath, bytes);
      return { manifestId: '', image: '', version: 0, isNew: true };
    },
  };
}

try {
  await fitVolume(Value.Parse(volumeJobSchema, await json(process.stdin)));
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  const known = error instanceof KnownError ? error : knownError('SHRINK_FAILED', { filesystem: 'volume', reason });
  const least = error instanceof TooSmallError ? { leastBytes: error.leastBytes } : {};
  const failure: VolumeFailure = { error: known.toBody(), ...least };
  process.stderr.write(`\n${JSON.stringify(failure)}\n`);
  process.exitCode = 1;
}
