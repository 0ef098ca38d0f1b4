/**
 * How small an image can be made, judged from its manifest alone: which filesystems would become smaller, and how much, so
 * that it goes onto a disk. The programs that shrink know better in the end (volume-fitter.ts); this is for the plan, before
 * anything is touched. Pure.
 */
import { usedBytesOf } from '#protocol/chunk.ts';
import { type Fit, fitTo } from '#protocol/fit.ts';
import type { Layout } from '#protocol/layout.ts';
import type { Manifest, Volume, VolumeHead } from '#protocol/manifest.ts';

const MIB = 1024 * 1024;

/** What a filesystem needs besides its used bytes when it is as small as it can be: a share of them, and a fixed part. Tried with full and with sparse ones; Btrfs keeps free chunks of data and of metadata. */
const overheads: Readonly<Record<string, { readonly share: number; readonly bytes: number }>> = {
  ext2: { share: 0.05, bytes: 8 * MIB },
  ext3: { share: 0.05, bytes: 8 * MIB },
  ext4: { share: 0.05, bytes: 8 * MIB },
  ntfs: { share: 0.02, bytes: 16 * MIB },
  btrfs: { share: 0.3, bytes: 256 * MIB },
};

export interface ShrinkPlan {
  /** Places and table of the smaller image. */
  readonly fit: Fit;
  /** Indices of the volumes whose filesystem has to become smaller; their new sizes are in `fit`. */
  readonly shrunk: readonly number[];
}

export type ShrinkResult =
  | { readonly plan: ShrinkPlan; readonly least?: never }
  | { readonly plan?: never; readonly least: { readonly bytes: number; readonly why: string } };

type Content = Pick<Manifest, 'volumes'> & { readonly head: { readonly layout: Layout } };

/**
 * The image on a disk of `toBytes`. The filesystem with the most free space gives first, and only as much as is needed, so that as
 * few as possible are rewritten. `leastOf` are sizes that are known better than from the manifest, by volume index.
 */
export function planShrink(
  { head, volumes }: Content,
  toBytes: number,
  leastOf: ReadonlyMap<number, number> = new Map(),
): ShrinkResult {
  const { layout } = head;
  const smallest = volumes.map((volume, i) => leastOf.get(i) ?? leastVolumeBytes(volume));
  const sizes = volumes.map((volume) => volume.sizeBytes);
  const bySlack = [...volumes.keys()]
    .filter((i) => smallest[i]! < sizes[i]!)
    .sort((a, b) => sizes[b]! - smallest[b]! - (sizes[a]! - smallest[a]!));
  const shrunk: number[] = [];
  for (const i of bySlack) {
    shrunk.push(i);
    sizes[i] = smallest[i]!;
    const spareBytes = toBytes - leastDiskBytes(layout, volumes, sizes);
    if (spareBytes < 0) continue;
    sizes[i] = Math.min(volumes[i]!.sizeBytes, sizes[i]! + alignDown(spareBytes));
    const { fit } = fitTo(withSizes(layout, volumes, sizes), toBytes, 'none');
    if (fit !== undefined) return { plan: { fit, shrunk: shrunk.sort((a, b) => a - b) } };
  }
  return { least: { bytes: leastDiskBytes(layout, volumes, sizes), why: whyNotLess(volumes, smallest) } };
}

/** About the least size of the partition that holds this volume; its present size when it cannot shrink. */
export function leastVolumeBytes(volume: Volume): number {
  const overhead = canShrink(volume) ? overheads[volume.filesystem ?? ''] : undefined;
  if (overhead === undefined) return volume.sizeBytes;
  const bytes = usedOf(volume) * (1 + overhead.share) + overhead.bytes;
  return Math.min(volume.sizeBytes, alignUp(bytes));
}

/** A full disk has a million runs, and a plan asks for each of 400 hosts. */
const usedBytes = new WeakMap<Volume['extents'], number>();

function usedOf({ extents }: Volume): number {
  const bytes = usedBytes.get(extents) ?? usedBytesOf(extents);
  usedBytes.set(extents, bytes);
  return bytes;
}

/** Whether a program makes its filesystem smaller; one that was taken raw is not understood, or not clean. */
function canShrink({ kind, within, filesystem, map }: VolumeHead): boolean {
  return (
    kind === 'partition' && within === undefined && map !== 'raw' && filesystem !== undefined && filesystem in overheads
  );
}

function leastDiskBytes(layout: Layout, volumes: readonly VolumeHead[], sizes: readonly number[]): number {
  // Onto a disk without a byte nothing fits.
  return fitTo(withSizes(layout, volumes, sizes), 0, 'none').misfit!.leastBytes;
}

/** The image as if its volumes had these sizes, each still at its own place. */
function withSizes(layout: Layout, volumes: readonly VolumeHead[], sizes: readonly number[]) {
  const partitions = layout.partitions.map((partition) => {
    const i = volumes.findIndex((volume) => volume.partition === partition.number && volume.within === undefined);
    return i === -1 ? partition : { ...partition, sectors: sizes[i]! / layout.sectorBytes };
  });
  return {
    layout: { ...layout, partitions },
    volumes: volumes.map((volume, i) => ({ ...volume, sizeBytes: sizes[i]! })),
  };
}

function whyNotLess(volumes: readonly VolumeHead[], smallest: readonly number[]): string {
  return volumes
    .map((volume, i) => ({ volume, leastBytes: smallest[i]! }))
    .filter(({ volume }) => volume.kind === 'partition')
    .map(({ volume, leastBytes }) => {
      const { partition, filesystem = 'unknown' } = volume;
      const needs = `${Math.ceil(leastBytes / MIB)} MiB`;
      return canShrink(volume)
        ? `partition ${partition} (${filesystem}) needs about ${needs}`
        : `partition ${partition} (${filesystem}) stays at ${needs}`;
    })
    .join(', ');
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}

function alignDown(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}
