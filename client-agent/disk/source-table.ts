/** How a disk that is to be captured is divided, and what of that the admin should know. Only reads. */
import type { Disk } from '#protocol/disk.ts';
import type { Layout } from '#protocol/layout.ts';
import { readTable } from './layout-reader.ts';
import { findStrayData } from './stray-data.ts';
import { tryLayout } from './table-trial.ts';
import type { VolumeMap } from './used-extents.ts';
import { nameOfVolume, type VolumeSpan, volumesOf } from './volumes.ts';

export interface SourceTable {
  readonly layout: Layout;
  /** What it is cut into; those of another disk than the image's first say so. */
  readonly spans: readonly VolumeSpan[];
  /** What is carried to the byte instead, without a look at what it may hold. */
  readonly rawMaps: readonly VolumeMap[];
  readonly warnings: readonly string[];
}

/** `place`: of the disk in the image, from 0. Throws LAYOUT_UNSUPPORTED, DISK_READ_FAILED, PROGRAM_FAILED, PROGRAM_MISSING. */
export async function readSourceTable({ path, sectorBytes }: Disk, place: number): Promise<SourceTable> {
  const { layout, oddity } = await readTable(path, sectorBytes);
  const spans = volumesOf(layout).map((span) => (place === 0 ? span : { ...span, disk: place }));
  if (oddity !== undefined) {
    const rawMaps = spans.map((span) => ({ head: { ...span, map: 'raw' }, warnings: [sayRaw(span, oddity)] }));
    return { layout, spans: [], rawMaps, warnings: [] };
  }
  await tryLayout(path, layout);
  const where = place === 0 ? 'the disk' : `disk ${place + 1}`;
  return { layout, spans, rawMaps: [], warnings: findStrayData(path, layout).map((text) => `${where}: ${text}`) };
}

function sayRaw(span: VolumeSpan, oddity: string): string {
  return `${nameOfVolume(span)}: taken raw, to the byte, as one without partitions: ${oddity}`;
}
