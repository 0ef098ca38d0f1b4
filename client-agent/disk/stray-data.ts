/**
 * What lies on a disk and in no partition is not carried, but for the boot area. Mostly it is what a deleted partition has left behind; now
 * and then somebody relies on it. So gaps are looked at, large ones at both ends, and the capture names those that hold something.
 */
import { isExtended, type Layout } from '#protocol/layout.ts';
import { DirectFile } from './direct-file.ts';
import { tableSectorsOf, volumesOf } from './volumes.ts';

const PIECE_BYTES = 1024 * 1024;
/** A gap of up to so many bytes is read from end to end, of a larger one a piece at each end. */
const SMALL_BYTES = 16 * PIECE_BYTES;
/** A longer list helps nobody. */
const MAX_PLACES = 8;

/** Bytes of the disk, end exclusive. */
export interface Gap {
  readonly startBytes: number;
  readonly endBytes: number;
}

/** One sentence, or none. Throws DISK_READ_FAILED only where the disk cannot be opened: what cannot be read in a gap is nobody's. */
export function findStrayData(diskPath: string, layout: Layout): string[] {
  if (layout.label === 'none') return [];
  const file = DirectFile.open(diskPath, 'read');
  try {
    const stray = gapsOf(layout).filter((gap) => holdsData(file, gap));
    if (stray.length === 0) return [];
    const places = stray.slice(0, MAX_PLACES).map(({ startBytes, endBytes }) => `${startBytes}–${endBytes - 1}`);
    const more = stray.length > MAX_PLACES ? ` and ${stray.length - MAX_PLACES} more places` : '';
    return [`what lies in no partition is not carried, though something is there: bytes ${places.join(', ')}${more}`];
  } finally {
    file.close();
  }
}

/**
 * What neither the table nor a volume covers, in disk order. Not within an extended partition, where the sectors of the logical ones lie. Pure.
 */
export function gapsOf(layout: Layout): Gap[] {
  const { sectorBytes, diskBytes } = layout;
  const tableBytes = tableSectorsOf(layout) * sectorBytes;
  const taken = volumesOf(layout).map(({ startBytes, sizeBytes }) => [startBytes, startBytes + sizeBytes] as const);
  const extended = layout.partitions
    .filter((one) => isExtended(layout, one))
    .map(({ startSector, sectors }) => [startSector * sectorBytes, (startSector + sectors) * sectorBytes] as const);
  const backups = layout.label === 'gpt' ? backupTables(layout, tableBytes) : [];
  const inOrder = [[0, tableBytes] as const, ...taken, ...extended, ...backups].sort((a, b) => a[0] - b[0]);
  const gaps: Gap[] = [];
  let from = 0;
  for (const [startBytes, endBytes] of [...inOrder, [diskBytes, diskBytes] as const]) {
    if (startBytes > from) gaps.push({ startBytes: from, endBytes: Math.min(startBytes, diskBytes) });
    from = Math.max(from, endBytes);
  }
  return gaps;
}

/** At the end of the disk, and where the table says that its last usable sector is: the disk may have grown since. */
function backupTables({ sectorBytes, diskBytes, lastLba }: Layout, tableBytes: number): (readonly [number, number])[] {
  const backupBytes = tableBytes - sectorBytes;
  const behind = lastLba === undefined ? diskBytes - backupBytes : (lastLba + 1) * sectorBytes;
  return [
    [behind, behind + backupBytes],
    [diskBytes - backupBytes, diskBytes],
  ];
}

function holdsData(file: DirectFile, gap: Gap): boolean {
  return placesIn(gap).some((at) => {
    const bytes = Buffer.alloc(Math.min(PIECE_BYTES, gap.endBytes - at));
    try {
      file.readAt(bytes, at, bytes.length);
    } catch {
      return false;
    }
    return bytes.some((byte) => byte !== 0);
  });
}

/** Where the pieces begin that are looked at. */
function placesIn({ startBytes, endBytes }: Gap): number[] {
  const sizeBytes = endBytes - startBytes;
  if (sizeBytes > SMALL_BYTES) return [startBytes, endBytes - PIECE_BYTES];
  return Array.from({ length: Math.ceil(sizeBytes / PIECE_BYTES) }, (_, i) => startBytes + i * PIECE_BYTES);
}
