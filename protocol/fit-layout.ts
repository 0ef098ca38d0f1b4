/** The partition table that follows when the pieces of a disk lie at other places. Pure. */
import { type Layout, type Partition, reservedEndSectors } from './layout.ts';
import { MIB, type Piece, type Places } from './piece.ts';

/** Sector numbers of an MBR have 32 bits. */
const MBR_SECTORS = 2 ** 32 - 1;

/** End of the last byte that partitions may use on a disk of `diskBytes`, exclusive. */
export function usableEnd(layout: Layout, diskBytes: number): number {
  const sectors = Math.floor(diskBytes / layout.sectorBytes) - reservedEndSectors(layout);
  return (layout.label === 'dos' ? Math.min(sectors, MBR_SECTORS) : sectors) * layout.sectorBytes;
}

/** The table of a disk of `diskBytes` with these places, one for each piece: numbers, ids, names and attributes are the source's. */
export function layoutFor(layout: Layout, diskBytes: number, pieces: readonly Piece[], places: Places): Layout {
  const { sectorBytes } = layout;
  const sectorsOf = (i: number) => {
    const { startBytes, sizeBytes } = places[i]!;
    return { startSector: startBytes / sectorBytes, sectors: sizeBytes / sectorBytes };
  };
  const limitSectors = usableEnd(layout, diskBytes) / sectorBytes;
  const isMoved = pieces.some((piece, i) => {
    return piece.startBytes !== places[i]!.startBytes || piece.sizeBytes !== places[i]!.sizeBytes;
  });
  const partitions = layout.partitions.map((partition) => {
    const at = pieces.findIndex((piece) => piece.partition.number === partition.number);
    if (at !== -1) return { ...partition, ...sectorsOf(at) };
    const isKept = !isMoved && partition.startSector + partition.sectors <= limitSectors;
    return isKept
      ? partition
      : { ...partition, ...aroundLogical(partition, pieces, places, sectorBytes, limitSectors) };
  });
  const { lastLba, ...rest } = layout;
  const isSameSize = diskBytes === layout.diskBytes;
  return { ...rest, diskBytes, ...(isSameSize && lastLba !== undefined ? { lastLba } : {}), partitions };
}

/**
 * Start and length of the extended partition: it begins a MiB before its first logical partition if that has moved, and ends with
 * its last one if that, or what lies behind, has, or if the disk ends earlier.
 */
function aroundLogical(
  extended: Partition,
  pieces: readonly Piece[],
  places: Places,
  sectorBytes: number,
  limitSectors: number,
) {
  const inside = pieces
    .keys()
    .filter((i) => pieces[i]!.kind !== 'plain')
    .toArray();
  const endOfPlace = (i: number) => places[i]!.startBytes + places[i]!.sizeBytes;
  const isSame = (i: number) => places[i]!.startBytes === pieces[i]!.startBytes;
  const [first] = inside as [number];
  const last = inside.at(-1)!;
  const sourceEnd = (extended.startSector + extended.sectors) * sectorBytes;
  const isEndKept =
    isSame(last) &&
    places[last]!.sizeBytes === pieces[last]!.sizeBytes &&
    sourceEnd <= limitSectors * sectorBytes &&
    (places[last + 1]?.startBytes ?? sourceEnd) >= sourceEnd;
  const startSector = isSame(first) ? extended.startSector : (places[first]!.startBytes - MIB) / sectorBytes;
  return { startSector, sectors: (isEndKept ? sourceEnd : endOfPlace(last)) / sectorBytes - startSector };
}
