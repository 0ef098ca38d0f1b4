/** A volume of an image on its way into a fitted one: kept as it is, or copied out of the store, changed by its program, and captured again. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { FitLine } from '#protocol/admin/image-api.ts';
import { CHUNK_ID_BYTES, usedBytesOf } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import type { Manifest, Volume, VolumeHead, Within } from '#protocol/manifest.ts';
import type { PackJob } from '#protocol/volume-job.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { Intake } from './intake.ts';
import { freeBytesOf } from './store-space.ts';
import { writeVolumeFile } from './volume-file.ts';
import { fitVolume } from './volume-fitter.ts';

/** A copy may grow a little while data is moved in it. */
const ROOM_SHARE = 1.1;
const LINE_MS = 500;

/** What became of a volume: its head and extents, and the ids of its chunks. */
export interface FittedVolume {
  readonly head: VolumeHead;
  readonly extents: Volume['extents'];
  readonly ids: Uint8Array;
}

export interface RefitContext {
  readonly store: ChunkStore;
  /** `NAME@3`, for errors. */
  readonly source: string;
  readonly manifest: Manifest;
  /** For copies; removed by the caller. */
  readonly folder: string;
  readonly intake: Intake;
  readonly zstdLevel: number;
  readonly signal: AbortSignal;
}

/** A volume that is made anew, of one or several pieces on the source. */
export interface Refit {
  /** In its own order; all of them have the kind, partition and filesystem of the first. */
  readonly pieces: readonly Volume[];
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** The volume is the metadata of a physical volume, with these places for what lies in it, and is this part of a container then. */
  readonly pack?: PackJob;
  readonly within?: Within;
}

/** At another place, with its chunks as they are. */
export function keepVolume(
  manifest: Manifest,
  volume: Volume,
  place: { startBytes: number; sizeBytes: number },
): FittedVolume {
  const { extents, indices, firstOrdinal, ...head } = volume;
  const from = firstOrdinal * CHUNK_ID_BYTES;
  const ids = manifest.ids.subarray(from, from + indices.length * CHUNK_ID_BYTES);
  return { head: { ...head, ...place }, extents, ids };
}

/** Throws VolumeTooSmall, FIT_NO_ROOM, SHRINK_FAILED, IMAGE_DAMAGED, STORE_FULL, AbortError. */
export async function* refitVolume(o: RefitContext, refit: Refit): AsyncGenerator<FitLine, FittedVolume> {
  const { manifest, folder, signal } = o;
  const { pieces, startBytes, sizeBytes, pack } = refit;
  const [first] = pieces as [Volume, ...Volume[]];
  const { kind, disk, partition, filesystem = '', startBytes: fromStartBytes } = first;
  const { within = first.within } = refit;
  const totalBytes = pieces.reduce((sum, piece) => sum + usedBytesOf(piece.extents), 0);
  await requireRoom(folder, totalBytes);
  const line = (phase: FitLine['phase'], doneBytes: number): FitLine => {
    const volume = within?.name.includes('/') ? { volume: within.name } : {};
    const place = { ...(disk === undefined ? {} : { disk }), ...(partition === undefined ? {} : { partition }) };
    return { phase, doneBytes, totalBytes, ...place, ...volume };
  };
  const file = join(folder, 'volume');
  const [knownIds, madePath] = [join(folder, 'known-ids'), join(folder, 'manifest')];
  try {
    yield line('restore', 0);
    let doneBytes = 0;
    const onWritten = (bytes: number) => {
      doneBytes += bytes;
    };
    let fromBytes = 0;
    for (const volume of pieces) {
      const copying = writeVolumeFile({ ...o, image: o.source, volume, path: file, offsetBytes: fromBytes, onWritten });
      yield* whileGoing(copying, () => line('restore', Math.min(doneBytes, totalBytes)));
      fromBytes += volume.sizeBytes;
    }
    await writeFile(knownIds, manifest.ids);
    const job = {
      ...{ file, filesystem, fromStartBytes, fromBytes, startBytes, sizeBytes, knownIds, manifest: madePath },
      ...{ chunkBytes: manifest.head.chunkBytes, zstdLevel: o.zstdLevel },
      ...(pack === undefined ? {} : { pack }),
    };
    const fitting = fitVolume(job, o.intake, signal);
    yield* whileGoing(fitting, () => line('fit', 0));
    const made = await fitting;
    const [whole] = made.volumes;
    const { extents, indices: _, firstOrdinal: __, ...head } = whole!;
    // It was captured as a disk of its own.
    const where = { ...(disk === undefined ? {} : { disk }), ...(partition === undefined ? {} : { partition }) };
    const place = { kind, startBytes, sizeBytes, ...where };
    return { head: { ...head, ...place, ...(within === undefined ? {} : { within }) }, extents, ids: made.ids };
  } finally {
    for (const path of [file, madePath]) await rm(path, { force: true });
  }
}

/** Throws FIT_NO_ROOM. */
async function requireRoom(path: string, usedBytes: number): Promise<void> {
  const needBytes = Math.ceil(usedBytes * ROOM_SHARE);
  const freeBytes = await freeBytesOf(path);
  if (freeBytes < needBytes) throw knownError('FIT_NO_ROOM', { path, needBytes, freeBytes });
}

/** A line now and then until the work is done; throws what the work throws. */
async function* whileGoing(work: Promise<unknown>, line: () => FitLine): AsyncGenerator<FitLine> {
  let isOver = false;
  const over = work.then(
    () => {
      isOver = true;
    },
    () => {
      isOver = true;
    },
  );
  let lineMs = performance.now();
  while (!isOver) {
    const { promise: tick, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, LINE_MS);
    await Promise.race([over, tick]);
    clearTimeout(timer);
    if (isOver || performance.now() - lineMs < LINE_MS) continue;
    lineMs = performance.now();
    yield line();
  }
  await work;
}
