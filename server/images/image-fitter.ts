/**
 * Makes an image that fits a smaller disk: the volumes that have to change are copied out of the store, fitted, and captured
 * again; of all others the chunks are taken as they are. The source is only read. docs/decisions/0009-fit.md
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FitLine } from '#protocol/admin/image-api.ts';
import { usedBytesOf } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { fitTo } from '#protocol/fit.ts';
import { placeContainers } from '#protocol/luks-container.ts';
import { encodeManifest, type Manifest, type Volume } from '#protocol/manifest.ts';
import { layoutsOf } from '#protocol/source-disk.ts';
import type { Catalog } from './catalog.ts';
import type { ChunkStore } from './chunk-store.ts';
import { containerWorks, type FitWork } from './container-fitter.ts';
import { changesOfPlan, planShrink, type ShrinkPlan } from './shrink-plan.ts';
import { VolumeTooSmall } from './volume-fitter.ts';
import { type FittedVolume, keepVolume, type RefitContext, refitVolume } from './volume-refit.ts';

const MIB = 1024 * 1024;

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
  /** Only the plan. */
  readonly isDryRun?: boolean;
}

/**
 * Yields lines of progress and a last one with `done`; of a dry run the plan only. Nothing is left behind when it does not come to its end.
 * Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, SHRINK_NEEDLESS, SHRINK_IMPOSSIBLE, SHRINK_FAILED, FIT_NO_ROOM, IMAGE_DAMAGED, NOT_ROOT,
 * STORE_FULL, NAME_INVALID; AbortError when the signal fires.
 */
export async function* fitImage(o: FitImageOptions): AsyncGenerator<FitLine> {
  const { store, catalog, ref, toBytes } = o;
  const { image, version } = catalog.resolve(ref);
  const source = `${image}@${version.version}`;
  const manifest = await catalog.loadManifest(version.manifestId);
  const count = layoutsOf(manifest.head).length;
  if (count > 1) throw knownError('IMAGE_HAS_DISKS', { image: ref, count, what: 'image fit' });
  if (fitTo(manifest.head, toBytes, 'none').fit !== undefined)
    throw knownError('SHRINK_NEEDLESS', { image: ref, toBytes });
  const firstPlan = requirePlan(o, manifest, new Map());
  if (o.isDryRun === true) {
    yield planLine(o.name, manifest, firstPlan);
    return;
  }
  if (process.getuid?.() !== 0)
    throw knownError('NOT_ROOT', { what: 'Fitting an image (loop devices, mounts) in the daemon' });

  await mkdir(o.workDir, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(o.workDir, 'fit-'));
  const intake = await store.beginIntake();
  try {
    const { fitted, plan } = yield* fitVolumes({ ...o, source, folder, intake, manifest });
    const { chunkBytes, hash, layout, containers } = manifest.head;
    const ids = Buffer.concat(fitted.map((volume) => volume.ids));
    const placed = containers && { containers: placeContainers(containers, layout, plan.fit.layout) };
    const manifestBytes = encodeManifest({ chunkBytes, hash, layout: plan.fit.layout, ...placed }, fitted, ids);
    const { addedBytes } = await intake.finish();
    const { sourceHost, warnings } = version;
    const made = await catalog.addVersion({
      ...{ image: o.name, sourceHost, manifestBytes, warnings, addedBytes, fittedFrom: source },
    });
    const changes = changesOfPlan(manifest.volumes, plan);
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
  o: FitImageOptions & RefitContext,
): AsyncGenerator<FitLine, { fitted: FittedVolume[]; plan: ShrinkPlan }> {
  const leastOf = new Map<number, number>();
  for (;;) {
    const plan = requirePlan(o, o.manifest, leastOf);
    const fitted: FittedVolume[] = [];
    let tooSmall: { index: number; leastBytes: number; triedBytes: number } | undefined;
    for (const { index, kept, refit } of worksOf(o.manifest, plan)) {
      try {
        fitted.push(kept ?? (yield* refitVolume(o, refit)));
      } catch (error) {
        if (refit === undefined || !(error instanceof VolumeTooSmall)) throw error;
        tooSmall = { index, triedBytes: refit.sizeBytes, leastBytes: Math.ceil(error.leastBytes / MIB) * MIB };
        break;
      }
    }
    if (tooSmall === undefined) return { fitted, plan };
    // Each round knows one volume more exactly, or wants more room for it than the last one: it ends.
    leastOf.set(tooSmall.index, Math.max(tooSmall.leastBytes, tooSmall.triedBytes + MIB));
  }
}

/** How each volume of the smaller image is made, in disk order. */
function worksOf(manifest: Manifest, plan: ShrinkPlan): FitWork[] {
  return manifest.volumes.flatMap((volume, index): FitWork | FitWork[] => {
    const cut = volume.within && plan.containers.find(({ container }) => container.partition === volume.partition);
    if (cut !== undefined) return volume.startBytes === cut.container.startBytes ? containerWorks(manifest, cut) : [];
    const place = plan.fit.places[index]!;
    return isToChange(volume, plan, index)
      ? { index, refit: { pieces: [volume], ...place } }
      : { index, kept: keepVolume(manifest, volume, place) };
  });
}

function planLine(image: string, manifest: Manifest, plan: ShrinkPlan): FitLine {
  const pieces = worksOf(manifest, plan).flatMap(({ refit }) => refit?.pieces ?? []);
  const totalBytes = pieces.reduce((sum, { extents }) => sum + usedBytesOf(extents), 0);
  return {
    phase: 'restore',
    doneBytes: 0,
    totalBytes,
    planned: { image, changes: changesOfPlan(manifest.volumes, plan) },
  };
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
