/** The audit of one disk: what lies where the image, or its part of one, would lie on it. Nothing is written. */
import type { AuditOrder } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import type { DiskDrift, Drift } from '#protocol/drift.ts';
import { KnownError } from '#protocol/errors.ts';
import { placeManifest } from '#protocol/fit.ts';
import type { HoleSet } from '#protocol/holes.ts';
import type { Layout } from '#protocol/layout.ts';
import { type Manifest, placeOf } from '#protocol/manifest.ts';
import { chunksOf, partOfDisk } from '#protocol/source-disk.ts';
import { holdsLayout } from '../disk/layout-check.ts';
import { readLayout } from '../disk/layout-reader.ts';
import type { ClearedRun } from '../disk/layout-writer.ts';
import { type LockedContainer, UnlockedDisk } from '../disk/unlocked-disk.ts';
import { bytesOf, countStray, zeroRunsIn } from '../disk/zero-runs.ts';
import { DiskWorkers } from '../receive/disk-workers.ts';
import type { Meter } from '../receive/progress-meter.ts';
import { readBack } from '../receive/read-back.ts';
import { changesOfOrder, checkFit } from './fit.ts';
import { chunksWithin } from './target-chunks.ts';
import { isOpenedBy, payloadRun } from './target-containers.ts';

/** What the audits of all disks of a host share. */
export interface AuditedImage {
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  /** What may open its LUKS containers. */
  readonly keys: readonly Uint8Array[];
}

export interface AuditedDisk {
  readonly disk: Disk;
  /** Which disk of the image belongs there, counted from 0. */
  readonly source: number;
  readonly fit: AuditOrder['fit'];
}

export interface DiskAuditOptions {
  readonly threads: number;
  readonly meter: Meter;
  readonly signal: AbortSignal;
}

export class DiskAudit {
  readonly disk: Disk;
  /** Chunks that differ, or were not read yet. */
  readonly differing: HoleSet;
  readonly #image: AuditedImage;
  readonly #source: number;
  readonly #fit: AuditOrder['fit'];
  /** With the volumes where they would lie on this disk. */
  readonly #manifest: Manifest;

  /** Throws DISK_TOO_SMALL, DISK_SECTOR_SIZE, AGENT_FAILED. */
  constructor(image: AuditedImage, { disk, source, fit }: AuditedDisk) {
    const part = partOfDisk(image.manifest, source);
    changesOfOrder(part.head, disk, fit);
    this.disk = disk;
    this.#image = image;
    this.#source = source;
    this.#fit = fit;
    this.#manifest = placeManifest(part, fit);
    checkFit(disk, this.#manifest);
    this.differing = chunksOf(part);
  }

  /** May be repeated. Throws LUKS_FAILED, DISK_READ_FAILED, AbortError. */
  async run({ threads, meter, signal }: DiskAuditOptions): Promise<DiskDrift> {
    const { disk, differing } = this;
    const manifest = this.#manifest;
    const opened = await this.#openContainers();
    const path = opened?.unlocked.path ?? disk.path;
    const runs = manifest.volumes.flatMap((volume, i) =>
      zeroRunsIn(volume, manifest.head.chunkBytes).map((run) => ({ ...run, i })),
    );
    const zeroBytes = bytesOf(runs);
    const stray = manifest.volumes.map(() => 0);
    try {
      let chunkBytes = 0;
      const readMeter: Meter = {
        moved: (doneBytes, totalBytes) => {
          chunkBytes = totalBytes;
          meter.moved(doneBytes, totalBytes + zeroBytes);
        },
      };
      await this.#readChunks(path, { threads, meter: readMeter, signal });
      const onDone = (bytes: number) => meter.moved(chunkBytes + bytes, chunkBytes + zeroBytes);
      const counts = await countStray(path, runs, { signal, onDone });
      for (const [at, { i }] of runs.entries()) stray[i]! += counts[at]!;
    } finally {
      await opened?.unlocked.close();
    }
    // What is not encrypted, or with another key, is not what the image wants, whatever it reads like.
    for (const ordinal of chunksWithin(manifest, opened?.closed ?? [])) differing.add(ordinal);
    const layoutDiffers = !(await isLaidOut(disk, manifest.head.layout));
    return { disk, layoutDiffers, ...driftOf(manifest, differing, stray) };
  }

  async #readChunks(path: string, { threads, meter, signal }: DiskAuditOptions): Promise<void> {
    const { manifestBytes } = this.#image;
    const start = { manifestBytes, source: this.#source, fit: this.#fit, count: threads };
    const workers = await DiskWorkers.start({ ...start, diskPath: path });
    const { differing } = this;
    const unverified = differing.clone();
    const manifest = this.#manifest;
    try {
      await readBack({ manifest, workers, unverified, holes: differing, unreadable: 'wrong', meter, signal });
    } finally {
      await workers.stop();
    }
  }

  /** The LUKS containers of the image that a key opens on this disk, and where the payloads of the others would lie. */
  async #openContainers(): Promise<{ unlocked: UnlockedDisk; closed: ClearedRun[] } | undefined> {
    const { containers } = this.#manifest.head;
    if (containers === undefined) return undefined;
    const { keys } = this.#image;
    const locked: LockedContainer[] = [];
    const closed: ClearedRun[] = [];
    for (const container of containers) {
      if (await isOpenedBy(this.disk.path, container, keys)) locked.push({ container, keys });
      else closed.push(payloadRun(container));
    }
    return { unlocked: await UnlockedDisk.open(this.disk, locked, 'write'), closed };
  }
}

/** What differs, in all and in each volume. `stray` are bytes of each volume that should be zeros. Pure. */
export function driftOf(
  manifest: Manifest,
  differing: HoleSet,
  stray: readonly number[] = [],
): Omit<Drift, 'layoutDiffers'> {
  const sums = new Map(manifest.volumes.map((volume) => [volume, { ...noDrift }]));
  const all = { ...noDrift };
  for (const ordinal of chunksOf(manifest)) {
    const { volume, plainBytes } = placeOf(manifest, ordinal);
    for (const sum of [all, sums.get(volume)!]) {
      sum.chunks++;
      sum.bytes += plainBytes;
      if (!differing.has(ordinal)) continue;
      sum.differingChunks++;
      sum.differingBytes += plainBytes;
    }
  }
  const volumes = manifest.volumes.map((volume, i) => {
    const { kind, partition, filesystem } = volume;
    return {
      kind,
      ...(partition === undefined ? {} : { partition }),
      ...(filesystem === undefined ? {} : { filesystem }),
      ...sums.get(volume)!,
      ...strayOf(stray[i]),
    };
  });
  const told = volumes.filter(({ chunks, strayBytes }) => chunks > 0 || strayBytes !== undefined);
  return { ...all, ...strayOf(stray.reduce((sum, bytes) => sum + bytes, 0)), volumes: told };
}

/** None is not mentioned. */
export function strayOf(strayBytes: number | undefined): Pick<Drift, 'strayBytes'> {
  return strayBytes ? { strayBytes } : {};
}

export const noDrift = { chunks: 0, differingChunks: 0, bytes: 0, differingBytes: 0 };

async function isLaidOut(disk: Disk, wanted: Layout): Promise<boolean> {
  try {
    return holdsLayout(await readLayout(disk.path, disk.sectorBytes), wanted);
  } catch (error) {
    // A table that nobody can read is another one.
    if (error instanceof KnownError) return false;
    throw error;
  }
}
