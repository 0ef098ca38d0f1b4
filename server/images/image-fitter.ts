/**
 * Makes an image that fits a smaller disk: the volumes that have to change are copied out of the store, fitted, and captured
 * again; of all others the chunks are taken as they are. The source is only read. docs/decisions/0009-fit.md
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FitLine, FittedChange } from '#protocol/admin/image-api.ts';
import { usedBytesOf } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { placeContainers } from '#protocol/luks-container.ts';
import { encodeManifest, type Manifest, type Volume } from '#protocol/manifest.ts';
import { partOfDisk } from '#protocol/source-disk.ts';
import type { Catalog } from './catalog.ts';
import type { ChunkStore } from './chunk-store.ts';
import { containerWorks, type FitWork } from './container-fitter.ts';
import { type FitSizes, sizesOfDisks } from './fit-sizes.ts';
import { changesOfPlan, planShrink, type ShrinkPlan } from './shrink-plan.ts';
import { VolumeTooSmall } from './volume-fitter.ts';
import { type FittedVolume, keepVolume, type RefitContext, refitVolume } from './volume-refit.ts';

const MIB = 1024 * 1024;

export interface FitImageOptions {
  readonly store: ChunkStore;
  readonly catalog: Catalog;
  /** NAME (its newest version) or NAME@3. */
  readonly ref: string;
  /** Of which disk of the image, and how large the disk is that it is to fit. */
  readonly sizes: FitSizes;
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
 * Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, IMAGE_HAS_DISKS, IMAGE_LACKS_DISK, SHRINK_NEEDLESS, SHRINK_IMPOSSIBLE, SHRINK_FAILED, FIT_NO_ROOM, IMAGE_DAMAGED, NOT_ROOT,
 * STORE_FULL, NAME_INVALID; AbortError when the signal fires.
 */
export async function* fitImage(o: FitImageOptions): AsyncGenerator<FitLine> {
  const { store, catalog, ref } = o;
  const { image, version } = catalog.resolve(ref);
  const source = `${image}@${version.version}`;
  const manifest = await catalog.loadManifest(version.manifestId);
  const disks = sizesOfDisks(ref, manifest.head, o.sizes).map((toBytes, i): DiskToFit => {
    const isOne = manifest.head.moreDisks === undefined;
    return { ref, part: partOfDisk(manifest, i), toBytes, ...(isOne ? {} : { disk: i }) };
  });
  const plans = disks.map((disk) => requirePlan(disk, new Map()));
  if (o.isDryRun === true) {
    yield planLine(o.name, disks, plans);
    return;
  }
  if (process.getuid?.() !== 0)
    throw knownError('NOT_ROOT', { what: 'Fitting an image (loop devices, mounts) in the daemon' });

  await mkdir(o.workDir, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(o.workDir, 'fit-'));
  const intake = await store.beginIntake();
  try {
    const fitted: FittedDisk[] = [];
    for (const disk of disks) {
      fitted.push(yield* fitDisk({ ...o, source, folder, intake, manifest: disk.part }, disk));
    }
    const manifestBytes = encodeFitted(manifest, fitted);
    const { addedBytes } = await intake.finish();
    const { sourceHost, warnings } = version;
    const made = await catalog.addVersion({
      ...{ image: o.name, sourceHost, manifestBytes, warnings, addedBytes, fittedFrom: source },
    });
    const changes = disks.flatMap((disk, i) => changesOfDisk(disk, fitted[i]!.plan));
    yield { phase: 'store', doneBytes: addedBytes, totalBytes: addedBytes, done: { ...made, addedBytes, changes } };
  } catch (error) {
    await intake.abort();
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A disk of the image. */
interface DiskToFit {
  readonly ref: string;
  readonly part: Manifest;
  /** Size of the disk that it is to fit; undefined: it stays as it is. */
  readonly toBytes: number | undefined;
  /** Of an image of several: which it is, counted from 0. */
  readonly disk?: number;
}

interface FittedDisk {
  readonly volumes: readonly FittedVolume[];
  /** Undefined: it is as it was. */
  readonly plan: ShrinkPlan | undefined;
}

async function* fitDisk(o: FitImageOptions & RefitContext, disk: DiskToFit): AsyncGenerator<FitLine, FittedDisk> {
  if (disk.toBytes !== undefined) return yield* fitVolumes(o, disk);
  const { part } = disk;
  const volumes = part.volumes.map((volume) => {
    const { startBytes, sizeBytes } = volume;
    return keepVolume(part, volume, { startBytes, sizeBytes });
  });
  return { volumes, plan: undefined };
}

/** The manifest of the smaller image. Pure. */
function encodeFitted(manifest: Manifest, fitted: readonly FittedDisk[]): Buffer {
  const { chunkBytes, hash } = manifest.head;
  const heads = fitted.map(({ plan }, i) => {
    const { layout, containers = [] } = partOfDisk(manifest, i).head;
    if (plan === undefined) return { layout, containers };
    return { layout: plan.fit.layout, containers: placeContainers(containers, layout, plan.fit.layout) };
  });
  const [layout, ...moreDisks] = heads.map((head) => head.layout);
  const containers = heads.flatMap((head) => head.containers);
  const volumes = fitted.flatMap((disk) => disk.volumes);
  const more = {
    ...(moreDisks.length === 0 ? {} : { moreDisks }),
    ...(containers.length === 0 ? {} : { containers }),
  };
  const ids = Buffer.concat(volumes.map((volume) => volume.ids));
  return encodeManifest({ chunkBytes, hash, layout: layout!, ...more }, volumes, ids);
}

function changesOfDisk({ part, disk }: DiskToFit, plan: ShrinkPlan | undefined): FittedChange[] {
  if (plan === undefined) return [];
  return changesOfPlan(part.volumes, plan).map((change) => (disk === undefined ? change : { ...change, disk }));
}

/** Tries the plan; when a filesystem turns out to need more than was thought, another plan is made with that knowledge. */
async function* fitVolumes(o: FitImageOptions & RefitContext, disk: DiskToFit): AsyncGenerator<FitLine, FittedDisk> {
  const leastOf = new Map<number, number>();
  for (;;) {
    const plan = requirePlan(disk, leastOf)!;
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
    if (tooSmall === undefined) return { volumes: fitted, plan };
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

function planLine(image: string, disks: readonly DiskToFit[], plans: readonly (ShrinkPlan | undefined)[]): FitLine {
  const changes = disks.flatMap((disk, i) => changesOfDisk(disk, plans[i]));
  const pieces = disks.flatMap(({ part }, i) => {
    const plan = plans[i];
    return plan === undefined ? [] : worksOf(part, plan).flatMap(({ refit }) => refit?.pieces ?? []);
  });
  const totalBytes = pieces.reduce((sum, { extents }) => sum + usedBytesOf(extents), 0);
  return { phase: 'restore', doneBytes: 0, totalBytes, planned: { image, changes } };
}

/** Undefined: it stays as it is. Throws SHRINK_IMPOSSIBLE. */
function requirePlan(
  { ref, part, toBytes, disk }: DiskToFit,
  leastOf: ReadonlyMap<number, number>,
): ShrinkPlan | undefined {
  if (toBytes === undefined) return undefined;
  const { plan, least } = planShrink(part, toBytes, leastOf);
  if (plan !== undefined) return plan;
  const { bytes: needBytes, why } = least;
  const [which, to] = disk === undefined ? ['', needBytes] : [`, disk ${disk + 1},`, `${disk + 1}=${needBytes}`];
  throw knownError('SHRINK_IMPOSSIBLE', { image: ref, which, toBytes, needBytes, to, why });
}

/** Its filesystem becomes smaller, or its boot sector has to learn where it lies. */
function isToChange({ filesystem, startBytes }: Volume, { fit, shrunk }: ShrinkPlan, index: number): boolean {
  const hasStart = filesystem === 'ntfs' || filesystem === 'vfat';
  return shrunk.includes(index) || (hasStart && fit.places[index]!.startBytes !== startBytes);
}
