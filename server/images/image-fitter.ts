/**
 * Makes an image that fits a smaller disk: the volumes that have to change are copied out of the store, fitted, and captured
 * again; of all others the chunks are taken as they are. The source is only read. docs/decisions/0009-fit.md
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { FitLine } from '#protocol/admin/image-api.ts';
import { CHUNK_ID_BYTES, usedBytesOf } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { changesOf, fitTo } from '#protocol/fit.ts';
import { encodeManifest, type Manifest, type Volume, type VolumeHead } from '#protocol/manifest.ts';
import type { Catalog } from './catalog.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { Intake } from './intake.ts';
import { planShrink, type ShrinkPlan } from './shrink-plan.ts';
import { freeBytesOf } from './store-space.ts';
import { writeVolumeFile } from './volume-file.ts';
import { fitVolume, VolumeTooSmall } from './volume-fitter.ts';

/** A copy may grow a little while data is moved in it. */
const ROOM_SHARE = 1.1;
const LINE_MS = 500;

export interface FitImageOptions {
  readonly store: ChunkStore;
  readonly catalog: Catalog;
  /** NAME (its newest version) or NAME@3. */
  readonly ref: string;
  readonly toBytes: number;
  /** Of the image that is made. */
  readonly name: string;
  /** Copies are made in it; it is made. */
  readonly workDir: string;
  readonly zstdLevel: number;
  readonly signal: AbortSignal;
}

/** What became of a volume: its head and extents, and the ids of its chunks. */
interface FittedVolume {
  readonly head: VolumeHead;
  readonly extents: Volume['extents'];
  readonly ids: Uint8Array;
}

/**
 * Yields lines of progress and a last one with `done`. Nothing is left behind when it does not come to its end.
 * Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, SHRINK_NEEDLESS, SHRINK_IMPOSSIBLE, SHRINK_FAILED, FIT_NO_ROOM, IMAGE_DAMAGED, NOT_ROOT,
 * STORE_FULL, NAME_INVALID; AbortError when the signal fires.
 */
export async function* fitImage(o: FitImageOptions): AsyncGenerator<FitLine> {
  const { store, catalog, ref, toBytes } = o;
  const { image, version } = catalog.resolve(ref);
  const source = `${image}@${version.version}`;
  const manifest = await catalog.loadManifest(version.manifestId);
  if (fitTo(manifest.head, toBytes, 'none').fit !== undefined)
    throw knownError('SHRINK_NEEDLESS', { image: ref, toBytes });
  requirePlan(o, manifest, new Map());
  if (process.getuid?.() !== 0)
    throw knownError('NOT_ROOT', { what: 'Fitting an image (loop devices, mounts) in the daemon' });

  await mkdir(o.workDir, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(o.workDir, 'fit-'));
  const intake = await store.beginIntake();
  try {
    const { fitted, plan } = yield* fitVolumes({ ...o, source, folder, intake, manifest });
    const { chunkBytes, hash } = manifest.head;
    const ids = Buffer.concat(fitted.map((volume) => volume.ids));
    const manifestBytes = encodeManifest({ chunkBytes, hash, layout: plan.fit.layout }, fitted, ids);
    const { addedBytes } = await intake.finish();
    const { sourceHost, warnings } = version;
    const made = await catalog.addVersion({
      ...{ image: o.name, sourceHost, manifestBytes, warnings, addedBytes, fittedFrom: source },
    });
    const changes = changesOf(manifest.volumes, plan.fit);
    yield { phase: 'store', doneBytes: addedBytes, totalBytes: addedBytes, done: { ...made, addedBytes, changes } };
  } catch (error) {
    await intake.abort();
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Tries the plan; when a filesystem turns out to need more than was thought, another plan is made with that knowledge. */
async function* fitVolumes(
  o: FitImageOptions & {
    readonly source: string;
    readonly folder: string;
    readonly intake: Intake;
    readonly manifest: Manifest;
  },
): AsyncGenerator<FitLine, { fitted: FittedVolume[]; plan: ShrinkPlan }> {
  const leastOf = new Map<number, number>();
  for (;;) {
    const plan = requirePlan(o, o.manifest, leastOf);
    const fitted: FittedVolume[] = [];
    let tooSmall: { index: number; leastBytes: number } | undefined;
    for (const [index, volume] of o.manifest.volumes.entries()) {
      try {
        fitted.push(
          isToChange(volume, plan, index)
            ? yield* refit(o, volume, plan, index)
            : keep(o.manifest, volume, plan, index),
        );
      } catch (error) {
        if (!(error instanceof VolumeTooSmall)) throw error;
        tooSmall = { index, leastBytes: Math.ceil(error.leastBytes / 2 ** 20) * 2 ** 20 };
        break;
      }
    }
    if (tooSmall === undefined) return { fitted, plan };
    // Each round knows one volume more exactly, or wants more room for it than the last one: it ends.
    leastOf.set(tooSmall.index, Math.max(tooSmall.leastBytes, plan.fit.places[tooSmall.index]!.sizeBytes + 2 ** 20));
  }
}

/** Throws SHRINK_IMPOSSIBLE. */
function requirePlan(
  { ref, toBytes }: FitImageOptions,
  manifest: Manifest,
  leastOf: ReadonlyMap<number, number>,
): ShrinkPlan {
  const { plan, least } = planShrink(manifest, toBytes, leastOf);
  if (plan !== undefined) return plan;
  throw knownError('SHRINK_IMPOSSIBLE', { image: ref, toBytes, needBytes: least.bytes, why: least.why });
}

/** Its filesystem becomes smaller, or its boot sector has to learn where it lies. */
function isToChange({ filesystem, startBytes }: Volume, { fit, shrunk }: ShrinkPlan, index: number): boolean {
  const hasStart = filesystem === 'ntfs' || filesystem === 'vfat';
  return shrunk.includes(index) || (hasStart && fit.places[index]!.startBytes !== startBytes);
}

function keep(manifest: Manifest, volume: Volume, { fit }: ShrinkPlan, index: number): FittedVolume {
  const { extents, indices, firstOrdinal, ...head } = volume;
  const from = firstOrdinal * CHUNK_ID_BYTES;
  const ids = manifest.ids.subarray(from, from + indices.length * CHUNK_ID_BYTES);
  return { head: { ...head, ...fit.places[index]! }, extents, ids };
}

async function* refit(
  o: FitImageOptions & {
    readonly source: string;
    readonly folder: string;
    readonly intake: Intake;
    readonly manifest: Manifest;
  },
  volume: Volume,
  { fit }: ShrinkPlan,
  index: number,
): AsyncGenerator<FitLine, FittedVolume> {
  const { manifest, folder, signal } = o;
  const { filesystem = '', startBytes: fromStartBytes, sizeBytes: fromBytes, partition } = volume;
  const place = fit.places[index]!;
  const totalBytes = usedBytesOf(volume.extents);
  await requireRoom(folder, totalBytes);
  const line = (phase: FitLine['phase'], doneBytes: number): FitLine => {
    return { phase, doneBytes, totalBytes, ...(partition === undefined ? {} : { partition }) };
  };
  const file = join(folder, `volume-${index}`);
  const knownIds = join(folder, 'known-ids');
  try {
    yield line('restore', 0);
    let doneBytes = 0;
    const onWritten = (bytes: number) => {
      doneBytes += bytes;
    };
    const copying = writeVolumeFile({ ...o, image: o.source, volume, path: file, onWritten });
    yield* whileGoing(copying, () => line('restore', Math.min(doneBytes, totalBytes)));
    await writeFile(knownIds, manifest.ids);
    const { chunkBytes } = manifest.head;
    const job = {
      ...{ file, filesystem, fromStartBytes, fromBytes, ...place, chunkBytes, zstdLevel: o.zstdLevel },
      ...{ knownIds, manifest: join(folder, `manifest-${index}`) },
    };
    const fitting = fitVolume(job, o.intake, signal);
    yield* whileGoing(fitting, () => line('fit', 0));
    const made = await fitting;
    const [whole] = made.volumes;
    const { extents, indices: _, firstOrdinal: __, ...head } = whole!;
    // It was captured as a disk of its own.
    const placed = { ...head, kind: volume.kind, ...place, ...(partition === undefined ? {} : { partition }) };
    return { head: placed, extents, ids: made.ids };
  } finally {
    await rm(file, { force: true });
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
