/**
 * The fit: where the volumes of an image lie on a disk of another size than the source's, and the table for it. Chunks lie on
 * the grid of their own volume, so a volume may begin anywhere: nothing but its start changes. Pure, and computed from the
 * manifest, the size of the disk and the grow rule alone: the server plans with it, and the agent compares its own result
 * with the one in the order. docs/fit.md, docs/decisions/0009-fit.md
 */
import { type Static, Type } from 'typebox';
import {
  type Container,
  containerIn,
  growersWithin,
  grownVolumeSchema,
  growWithin,
  typeOf,
  whyKeepsSize,
} from './container.ts';
import { layoutFor, usableEnd } from './fit-layout.ts';
import { canGrow, type GrowRule, hasGrower, namedBy } from './grow-rule.ts';
import { type Layout, layoutSchema, reservedEndSectors } from './layout.ts';
import { placeContainers } from './luks-container.ts';
import { canonicalJson, type Manifest, type ManifestHead, type VolumeHead } from './manifest.ts';
import {
  alignDown,
  isOrderly,
  isRooted,
  MIB,
  type Piece,
  type Places,
  packFrom,
  packTogether,
  piecesOf,
} from './piece.ts';

export const fitSchema = Type.Object({
  /** Table of the target disk. */
  layout: layoutSchema,
  /** Where each volume of the manifest lies, in its order; larger than in the manifest where it grows. */
  places: Type.Array(Type.Object({ startBytes: Type.Integer(), sizeBytes: Type.Integer() })),
  /** Containers that become larger: where they lie then, and what in them grows. Absent: none. */
  containers: Type.Optional(
    Type.Array(
      Type.Object({
        partition: Type.Optional(Type.Integer()),
        startBytes: Type.Integer(),
        fromBytes: Type.Integer(),
        sizeBytes: Type.Integer(),
        volumes: Type.Array(grownVolumeSchema),
      }),
    ),
  ),
});
export type Fit = Static<typeof fitSchema>;

export const fitChangeSchema = Type.Object({
  /** Absent: the filesystem of a disk without a table. */
  partition: Type.Optional(Type.Integer()),
  filesystem: Type.Optional(Type.String()),
  /** A container as a whole: its group of LVM, or the id of its array. */
  container: Type.Optional(Type.String()),
  fromStartBytes: Type.Integer(),
  startBytes: Type.Integer(),
  fromBytes: Type.Integer(),
  sizeBytes: Type.Integer(),
  /** Logical volumes that grow in it. */
  volumes: Type.Optional(Type.Array(grownVolumeSchema)),
});
/** A volume that lies elsewhere, or is larger, than on the source. */
export type FitChange = Static<typeof fitChangeSchema>;

export type FitResult =
  | { readonly fit: Fit; readonly misfit?: never }
  /** The smallest disk that takes the volumes as large as they are, moved together. */
  | { readonly misfit: { readonly leastBytes: number }; readonly fit?: never };

/**
 * Partitions that nobody means by "the last one": firmware and recovery look for them by type, and their size is right.
 * EFI system, Microsoft reserved, BIOS boot, Windows recovery; MBR types 27 (recovery), ef, 12 (diagnostics).
 */
const fixedTypes = new Set([
  'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  'E3C9E316-0B5C-4DB8-817D-F92DF00215AE',
  '21686148-6449-6E6F-744E-656564454649',
  'DE94BBA4-06D1-4D40-A16A-BFD50179D6AC',
  ...['27', 'EF', '12'],
]);

type Head = Pick<ManifestHead, 'layout'> & { readonly volumes: readonly VolumeHead[] };

/**
 * How the image lies on a disk of `diskBytes`. As on the source while it fits and nothing is to grow; else the volumes behind
 * the first that changes are moved, each to a whole MiB. What lies before the first partition never moves.
 */
export function fitTo({ layout, volumes }: Head, diskBytes: number, grow: GrowRule): FitResult {
  if (layout.label === 'none') return fitBare({ layout, volumes }, diskBytes, grow);
  const pieces = piecesOf(layout, volumes);
  const asIs: Places = pieces;
  const limitBytes = usableEnd(layout, diskBytes);
  if (endOf(layout, asIs) <= limitBytes) {
    const grown = growPieces(pieces, limitBytes, grow, layout.sectorBytes);
    return { fit: toFit({ layout, volumes }, diskBytes, pieces, grown ?? asIs, grow) };
  }
  const packed = isOrderly(pieces) ? packTogether(pieces, layout.sectorBytes) : asIs;
  const endBytes = packed.reduce((most, { startBytes, sizeBytes }) => Math.max(most, startBytes + sizeBytes), 0);
  if (endBytes <= limitBytes) return { fit: toFit({ layout, volumes }, diskBytes, pieces, packed, 'none') };
  return { misfit: { leastBytes: endBytes + reservedEndSectors(layout) * layout.sectorBytes } };
}

/** Whether a fit is just how the image lies on its source. */
export function isAsOnSource({ layout, volumes }: Head, fit: Fit): boolean {
  return (
    changesOf(volumes, fit).length === 0 && canonicalJson(fit.layout.partitions) === canonicalJson(layout.partitions)
  );
}

/** The volumes that a fit moves or enlarges, in the manifest's order; a container is one of them, its parts are not. */
export function changesOf(volumes: readonly VolumeHead[], fit: Fit): FitChange[] {
  return volumes.flatMap(({ partition, filesystem, within, startBytes, sizeBytes }, i) => {
    const place = fit.places[i]!;
    if (within !== undefined) {
      return volumes.findIndex((other) => other.partition === partition && other.within !== undefined) === i
        ? containerChange(volumes, fit, i)
        : [];
    }
    if (place.startBytes === startBytes && place.sizeBytes === sizeBytes) return [];
    return {
      ...(partition === undefined ? {} : { partition }),
      ...(filesystem === undefined ? {} : { filesystem }),
      fromStartBytes: startBytes,
      startBytes: place.startBytes,
      fromBytes: sizeBytes,
      sizeBytes: place.sizeBytes,
    };
  });
}

/** `first` is the index of the container's first part. */
function containerChange(volumes: readonly VolumeHead[], fit: Fit, first: number): FitChange[] {
  const { partition, within, startBytes: fromStartBytes } = volumes[first]!;
  const { startBytes } = fit.places[first]!;
  const grown = fit.containers?.find((one) => one.partition === partition);
  if (grown === undefined && startBytes === fromStartBytes) return [];
  const parts = volumes.filter((one) => one.partition === partition && one.within !== undefined);
  const usedBytes = Math.max(...parts.map((one) => one.startBytes + one.sizeBytes)) - fromStartBytes;
  const { fromBytes, sizeBytes, volumes: inner } = grown ?? { fromBytes: usedBytes, sizeBytes: usedBytes };
  return [
    {
      ...(partition === undefined ? {} : { partition }),
      ...{ filesystem: typeOf(within!), container: within!.name, fromStartBytes, startBytes, fromBytes, sizeBytes },
      ...(inner === undefined ? {} : { volumes: inner }),
    },
  ];
}

/**
 * The manifest as it lies on the target: every chunk at its place there, the table of the target. Ids, grid and extents are the
 * image's; a swap area, which carries no chunk, has its size on the target.
 */
export function placeManifest(manifest: Manifest, fit: Fit | undefined): Manifest {
  if (fit === undefined) return manifest;
  const volumes = manifest.volumes.map((volume, i) => {
    const { startBytes, sizeBytes } = fit.places[i]!;
    return { ...volume, startBytes, ...(volume.swap === undefined ? {} : { sizeBytes }) };
  });
  const { layout, containers } = manifest.head;
  const placed = containers && { containers: placeContainers(containers, layout, fit.layout) };
  return { ...manifest, head: { ...manifest.head, layout: fit.layout, volumes, ...placed }, volumes };
}

function fitBare({ layout, volumes }: Head, diskBytes: number, grow: GrowRule): FitResult {
  if (diskBytes < layout.diskBytes) return { misfit: { leastBytes: layout.diskBytes } };
  const whole = (sizeBytes: number) => ({ startBytes: 0, sizeBytes });
  const container = containerIn(volumes, undefined);
  const inner = container && growContainer(container, whole(layout.diskBytes), whole(diskBytes), grow);
  if (inner !== undefined) {
    const places = volumes.map(({ startBytes, sizeBytes }) => ({ startBytes, sizeBytes }));
    return { fit: { layout: { ...layout, diskBytes }, places, containers: [inner] } };
  }
  const isGrown = grow !== 'none' && volumes.every(canGrow);
  const places = volumes.map(({ startBytes, sizeBytes }) => ({
    startBytes,
    sizeBytes: isGrown ? diskBytes : sizeBytes,
  }));
  return { fit: { layout: { ...layout, diskBytes }, places } };
}

/** An extended partition may reach further than what lies in it. */
function endOf(layout: Layout, places: Places): number {
  const tableEnds = layout.partitions.map(({ startSector, sectors }) => (startSector + sectors) * layout.sectorBytes);
  return Math.max(0, ...tableEnds, ...places.map(({ startBytes, sizeBytes }) => startBytes + sizeBytes));
}

/** Undefined: nothing grows. */
function growPieces(
  pieces: readonly Piece[],
  limitBytes: number,
  grow: GrowRule,
  sectorBytes: number,
): Places | undefined {
  const growers = growersOf(pieces, grow);
  const first = growers[0];
  if (first === undefined || !isOrderly(pieces)) return undefined;
  const sizes = pieces.map((piece) => piece.sizeBytes);
  const packed = packFrom(pieces, first, sizes, sectorBytes).at(-1)!;
  const freeBytes = alignDown(limitBytes) - (packed.startBytes + packed.sizeBytes);
  const wholeBytes = growers.reduce((sum, i) => sum + sizes[i]!, 0);
  // What is added is whole MiB, so that the others move by whole MiB too.
  for (const i of growers) {
    const moreBytes = alignDown(freeBytes * (sizes[i]! / wholeBytes));
    const { container, startBytes, sizeBytes } = pieces[i]!;
    const place = { startBytes, sizeBytes: sizeBytes + moreBytes };
    // Less than an extent helps nobody in a container.
    const isUseful = container === undefined || growContainer(container, pieces[i]!, place, grow);
    if (isUseful) sizes[i]! += moreBytes;
  }
  if (freeBytes < MIB || growers.every((i) => sizes[i] === pieces[i]!.sizeBytes)) return undefined;
  return packFrom(pieces, first, sizes, sectorBytes);
}

/** Indices of the pieces that take the room, ascending. Behind one that does everything moves. */
function growersOf(pieces: readonly Piece[], grow: GrowRule): number[] {
  if (grow === 'none') return [];
  const { partition: named, rule } = namedBy(grow);
  const lastRooted = pieces.findLastIndex(isRooted);
  const able = pieces.keys().filter((i) => {
    if (i < lastRooted) return false;
    const { volume, container } = pieces[i]!;
    if (container === undefined) return volume !== undefined && typeof rule !== 'object' && canGrow(volume);
    return whyKeepsSize(container) === undefined && growersWithin(container, rule, hasGrower).length > 0;
  });
  if (named !== undefined) return able.filter((i) => pieces[i]!.partition.number === named).toArray();
  if (typeof rule === 'object') return able.take(1).toArray();
  const data = able.filter((i) => {
    const { partition, volume } = pieces[i]!;
    return volume?.swap === undefined && !fixedTypes.has(partition.type.toUpperCase());
  });
  const indices = data.toArray();
  return grow === 'last' ? indices.slice(-1) : indices;
}

/** The container of a partition that lies at `place` now; undefined: nothing in it grows. */
function growContainer(
  container: Container,
  source: Places[number],
  place: Places[number],
  grow: GrowRule,
): NonNullable<Fit['containers']>[number] | undefined {
  const { partition } = container;
  const headBytes = container.startBytes - source.startBytes;
  const fromBytes = source.sizeBytes - headBytes;
  const sizeBytes = place.sizeBytes - headBytes;
  if (grow === 'none' || sizeBytes <= fromBytes) return undefined;
  const volumes = growWithin(container, sizeBytes, namedBy(grow).rule, hasGrower);
  if (volumes.length === 0) return undefined;
  const startBytes = place.startBytes + headBytes;
  return { ...(partition === undefined ? {} : { partition }), startBytes, fromBytes, sizeBytes, volumes };
}

function toFit(
  { layout, volumes }: Head,
  diskBytes: number,
  pieces: readonly Piece[],
  places: Places,
  grow: GrowRule,
): Fit {
  const containers = pieces.flatMap((piece, i) => {
    const grown = piece.container && growContainer(piece.container, piece, places[i]!, grow);
    return grown ?? [];
  });
  return {
    ...(containers.length === 0 ? {} : { containers }),
    layout: layoutFor(layout, diskBytes, pieces, places),
    places: volumes.map(({ partition, within, startBytes, sizeBytes }) => {
      const i = partition === undefined ? -1 : pieces.findIndex((piece) => piece.partition.number === partition);
      const place = places[i];
      if (place === undefined) return { startBytes, sizeBytes };
      if (within === undefined) return { startBytes: place.startBytes, sizeBytes: place.sizeBytes };
      return { startBytes: startBytes + place.startBytes - pieces[i]!.startBytes, sizeBytes };
    }),
  };
}
