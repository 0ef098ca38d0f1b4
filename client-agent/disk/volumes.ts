/** Cuts a disk into volumes: the boot area, what each partition carries, or the whole of a disk without a table. Pure. */
import { isExtended, type Layout } from '#protocol/layout.ts';
import type { VolumeHead } from '#protocol/manifest.ts';

export type VolumeSpan = Pick<VolumeHead, 'kind' | 'disk' | 'partition' | 'startBytes' | 'sizeBytes' | 'within'>;

/**
 * Boot loaders live in the first MiB (GRUB), those of small boards in the first 16 (U-Boot, Rockchip). More is a gap where a
 * partition once was, whose old content is nobody's business.
 */
const MAX_BOOT_BYTES = 16 * 1024 * 1024;

/** In disk order. */
export function volumesOf(layout: Layout): VolumeSpan[] {
  if (layout.label === 'none') return [{ kind: 'disk', startBytes: 0, sizeBytes: layout.diskBytes }];
  const { sectorBytes } = layout;
  const partitions = layout.partitions
    .filter((partition) => !isExtended(layout, partition))
    .sort((a, b) => a.startSector - b.startSector);
  const volumes: VolumeSpan[] = partitions.map((partition) => ({
    kind: 'partition',
    partition: partition.number,
    startBytes: partition.startSector * sectorBytes,
    sizeBytes: partition.sectors * sectorBytes,
  }));
  const boot = bootVolume(layout);
  return boot ? [boot, ...volumes] : volumes;
}

/** From the end of the table to whatever begins first (an extended partition's own sector too). */
function bootVolume(layout: Layout): VolumeSpan | undefined {
  const tableSectors = tableSectorsOf(layout);
  const backupSectors = layout.label === 'gpt' ? tableSectors - 1 : 0;
  const diskEnd = Math.floor(layout.diskBytes / layout.sectorBytes) - backupSectors;
  const firstSector = Math.min(diskEnd, ...layout.partitions.map((partition) => partition.startSector));
  const startBytes = tableSectors * layout.sectorBytes;
  const sizeBytes = Math.min(firstSector * layout.sectorBytes - startBytes, MAX_BOOT_BYTES);
  return sizeBytes > 0 ? { kind: 'boot', startBytes, sizeBytes } : undefined;
}

/** Sectors at the start of a disk with a table that are the table's: the boot record, header and entries of a GPT. */
export function tableSectorsOf({ label, tableLength = 128, sectorBytes }: Layout): number {
  return label === 'gpt' ? 2 + Math.ceil((tableLength * 128) / sectorBytes) : 1;
}

/** `partition 3`, `partition 3 (group/root)`, `partition 3 of disk 2`, for people. */
export function nameOfVolume(span: Pick<VolumeHead, 'kind' | 'disk' | 'partition' | 'within'>): string {
  const place = span.partition === undefined ? `the ${span.kind}` : `partition ${span.partition}`;
  const outer =
    span.disk === undefined ? place : `${span.kind === 'disk' ? 'the whole' : place} of disk ${span.disk + 1}`;
  return span.within === undefined ? outer : `${outer} (${span.within.name})`;
}
