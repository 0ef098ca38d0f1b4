/**
 * The pieces of a disk that a fit moves: partitions that hold data, in the order in which they lie. Pure; in bytes. docs/fit.md
 */
import { type Container, containerIn } from './container.ts';
import { isExtended, type Layout, type Partition } from './layout.ts';
import type { VolumeHead } from './manifest.ts';

export const MIB = 1024 * 1024;

/** A partition that holds data, or an extended one without any; all in bytes. */
export interface Piece {
  readonly partition: Partition;
  /** A logical partition has the sector that describes it before it, the first one also the start of the extended partition. */
  readonly kind: 'plain' | 'first logical' | 'logical';
  readonly volume: VolumeHead | undefined;
  readonly container: Container | undefined;
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/** A place for each piece, in the order of the pieces. */
export type Places = readonly { readonly startBytes: number; readonly sizeBytes: number }[];

/**
 * What lies in these knows at which sector of the disk it lies: slices of OpenBSD and NetBSD by their disklabel (disklabel(5)), dynamic disks
 * of Windows by their database. MBR types a6 and a9; GPT: OpenBSD, LDM metadata, LDM data.
 */
const rootedTypes = new Set([
  ...['A6', 'A9', '824CC7A0-36A8-11E3-890A-952519AD3F61'],
  ...['5808C8AA-7E8F-42E0-85D2-E1E90434CFB3', 'AF9B60A0-1431-4F62-BC68-3311714A69AD'],
]);

/** Whether the partition would be lost on what lies in it if it began elsewhere. */
export function isRooted({ partition }: Pick<Piece, 'partition'>): boolean {
  return rootedTypes.has(partition.type.toUpperCase());
}

/** The partitions of a table that hold data, by where they begin. */
export function piecesOf(layout: Layout, volumes: readonly VolumeHead[]): Piece[] {
  const extended = layout.partitions.filter((partition) => isExtended(layout, partition));
  const isFull = extended.some((outer) => layout.partitions.some((inner) => isInside(inner, outer)));
  const firstLogical = layout.partitions
    .filter((inner) => extended.some((outer) => isInside(inner, outer)))
    .reduce((least, { startSector }) => Math.min(least, startSector), Number.POSITIVE_INFINITY);
  const kindOf = (partition: Partition): Piece['kind'] => {
    if (partition.startSector === firstLogical) return 'first logical';
    return extended.some((outer) => isInside(partition, outer)) ? 'logical' : 'plain';
  };
  return layout.partitions
    .filter((partition) => !isExtended(layout, partition) || !isFull)
    .sort((a, b) => a.startSector - b.startSector)
    .map((partition) => ({
      partition,
      kind: kindOf(partition),
      // The parts of a container move with it; none of them is the whole of it.
      volume: volumes.find((volume) => volume.partition === partition.number && volume.within === undefined),
      container: containerIn(volumes, partition.number),
      startBytes: partition.startSector * layout.sectorBytes,
      sizeBytes: partition.sectors * layout.sectorBytes,
    }));
}

function isInside(inner: Partition, outer: Partition): boolean {
  const end = outer.startSector + outer.sectors;
  return inner !== outer && inner.startSector > outer.startSector && inner.startSector < end;
}

/** Partitions that overlap (they do in hybrid tables) stay where they are. */
export function isOrderly(pieces: readonly Piece[]): boolean {
  return pieces.every(
    (piece, i) => i === 0 || pieces[i - 1]!.startBytes + pieces[i - 1]!.sizeBytes <= piece.startBytes,
  );
}

/** Closes the gaps between partitions; nothing is moved towards the end, and what is rooted not at all. */
export function packTogether(pieces: readonly Piece[], sectorBytes: number): Places {
  const places: { startBytes: number; sizeBytes: number }[] = [];
  for (const piece of pieces) {
    const before = places.at(-1);
    const isKept = before === undefined || isRooted(piece);
    const earliest = isKept ? piece.startBytes : earliestStart(piece, before, sectorBytes);
    places.push({ startBytes: Math.min(piece.startBytes, earliest), sizeBytes: piece.sizeBytes });
  }
  return places;
}

/** Moves the pieces behind `first` to whole MiB, one behind the other; `sizes` are the new ones. */
export function packFrom(
  pieces: readonly Piece[],
  first: number,
  sizes: readonly number[],
  sectorBytes: number,
): Places {
  const places: { startBytes: number; sizeBytes: number }[] = [];
  for (const [i, piece] of pieces.entries()) {
    const before = places.at(-1);
    const isKept = i <= first || before === undefined;
    places.push({
      startBytes: isKept ? piece.startBytes : earliestStart(piece, before, sectorBytes),
      sizeBytes: sizes[i]!,
    });
  }
  return places;
}

function earliestStart(piece: Piece, before: Places[number], sectorBytes: number): number {
  const endBytes = before.startBytes + before.sizeBytes;
  if (piece.kind === 'first logical') return alignUp(endBytes) + MIB;
  return alignUp(piece.kind === 'logical' ? endBytes + sectorBytes : endBytes);
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}

/** To a whole MiB. */
export function alignDown(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}
