/**
 * How small a container can be made, and where its logical volumes lie then, judged from the manifest alone. They are packed one behind
 * the other from the first extent on, so that free extents and gaps cost nothing; LVM's metadata follows (lvm-packer.ts). Pure.
 */
import { type Container, containerIn, type LogicalVolume, whyKeepsSize } from '#protocol/container.ts';
import type { Layout } from '#protocol/layout.ts';
import type { Volume } from '#protocol/manifest.ts';
import { canShrink, leastBytesFor, usedOf } from './filesystem-size.ts';

const MIB = 1024 * 1024;

/** A container of the source, and what of it the plan may change. */
export interface ShrinkableContainer {
  readonly container: Container;
  /** Of its partition. */
  readonly sourceBytes: number;
  /** Where the container begins in its partition: behind the header of an encrypted one. */
  readonly headBytes: number;
  /** Only its end can be cut off: something in it is more than bytes in a row. */
  readonly isFixed: boolean;
  /** Why it keeps its size; absent: it does not have to. */
  readonly why?: string;
}

/** A piece of a logical volume that is carried as it is, or all of one that becomes smaller. */
export interface PackedVolume {
  readonly volume: LogicalVolume;
  /** In bytes from the container's start, and in extents from its first one. */
  readonly offsetBytes: number;
  readonly startExtent: number;
  readonly extents: number;
  readonly sizeBytes: number;
}

/** Containers of an image, one a partition. */
export function containersOf(layout: Layout, volumes: readonly Volume[]): ShrinkableContainer[] {
  return layout.partitions.flatMap(({ number, startSector, sectors }) => {
    const container = containerIn(volumes, number);
    if (container === undefined) return [];
    const why = whyKeepsSize(container);
    return {
      container,
      sourceBytes: sectors * layout.sectorBytes,
      headBytes: container.startBytes - startSector * layout.sectorBytes,
      isFixed: container.volumes.some(({ isSpecial }) => isSpecial),
      ...(why === undefined ? {} : { why }),
    };
  });
}

/** About the least size of a logical volume, in whole extents; its present size when it cannot shrink. */
export function leastLogicalBytes(
  { container, isFixed, why }: ShrinkableContainer,
  volume: LogicalVolume,
  volumes: readonly Volume[],
): number {
  const { map, filesystem, parts, sizeBytes } = volume;
  if (isFixed || why !== undefined || volume.isSwap || !canShrink({ map, filesystem })) return sizeBytes;
  const usedBytes = parts.reduce((sum, i) => sum + usedOf(volumes[i]!), 0);
  const grainBytes = grainOf(container);
  const leastBytes = leastBytesFor(filesystem!, usedBytes);
  return Math.min(sizeBytes, Math.ceil(leastBytes / grainBytes) * grainBytes);
}

/** The least size of the container's partition when its volumes have these sizes. */
export function leastPartitionBytes(
  shrinkable: ShrinkableContainer,
  volumes: readonly Volume[],
  sizeOf: (volume: LogicalVolume) => number,
): number {
  const { container, sourceBytes, headBytes, isFixed, why } = shrinkable;
  if (why !== undefined) return sourceBytes;
  const packedBytes = container.headBytes + container.volumes.reduce((sum, volume) => sum + sizeOf(volume), 0);
  const parts = container.volumes.flatMap(({ parts: own }) => own.map((i) => volumes[i]!));
  const endBytes = Math.max(0, ...parts.map((part) => part.startBytes + part.sizeBytes - container.startBytes));
  const needBytes = isFixed ? Math.max(container.headBytes, endBytes) : packedBytes;
  return Math.min(sourceBytes, Math.ceil((headBytes + needBytes) / MIB) * MIB);
}

/** What is in a container is larger or smaller by whole ones of these. */
export function grainOf({ pv }: Container): number {
  return pv?.extentBytes ?? MIB;
}

/** Where the volumes lie; undefined: where they do, and only the end is cut off. */
export function packVolumes(
  { container, isFixed }: ShrinkableContainer,
  sizeOf: (volume: LogicalVolume) => number,
): PackedVolume[] | undefined {
  if (isFixed) return undefined;
  const extentBytes = grainOf(container);
  let startExtent = 0;
  return container.volumes.map((volume) => {
    const sizeBytes = sizeOf(volume);
    const place = { startExtent, extents: sizeBytes / extentBytes, sizeBytes };
    startExtent += place.extents;
    return { volume, ...place, offsetBytes: container.headBytes + place.startExtent * extentBytes };
  });
}

/** Extents that a physical volume of so many bytes has. */
export function extentsOf({ headBytes, pv }: Container, sizeBytes: number): number {
  return Math.floor((sizeBytes - headBytes) / pv!.extentBytes);
}
