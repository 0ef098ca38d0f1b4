/**
 * A swap area carries nothing but its name: the header is read at capture and made again on the target.
 *
 * Header of the first page (Linux include/linux/swap.h, `union swap_header`; mkswap(8) writes version 1), native byte order:
 * | offset | bytes | field |
 * |-------:|------:|-------|
 * | 0 | 1024 | left to boot loaders |
 * | 1024 | 4 | version, 1 |
 * | 1028 | 4 | number of the last page |
 * | 1032 | 4 | number of bad pages |
 * | 1036 | 16 | UUID |
 * | 1052 | 16 | label, zero-padded |
 * | page − 10 | 10 | `SWAPSPACE2`, or the mark of a sleeping system |
 */
import type { Disk } from '#protocol/disk.ts';
import type { Volume, VolumeHead } from '#protocol/manifest.ts';
import { DirectFile } from './direct-file.ts';

export type SwapArea = NonNullable<VolumeHead['swap']>;

/** Page sizes of Linux's architectures. */
const pageSizes = [4096, 8192, 16384, 65536];
const SWAP_MAGIC = 'SWAPSPACE2';
/** Set in the place of the magic while a hibernated system lies in the area (kernel/power/swap.c; TuxOnIce; uswsusp). */
const sleepMagics = ['S1SUSPEND\0', 'S2SUSPEND\0', 'ULSUSPEND\0', 'LINHIB0001', '\xed\xc3\x02\xe9\x98\x56\xe5\x0c'];
/** Bytes that `readSwapHeader` wants. */
export const SWAP_HEADER_BYTES = 65536;

/** Reads the first bytes of a volume; undefined when it is no swap area of version 1. */
export function readSwapHeader(bytes: Buffer): { area: SwapArea; isHibernated: boolean } | undefined {
  for (const pageBytes of pageSizes) {
    if (bytes.length < pageBytes) return undefined;
    const magic = bytes.toString('latin1', pageBytes - 10, pageBytes);
    const isHibernated = sleepMagics.some((mark) => magic.startsWith(mark));
    if (magic !== SWAP_MAGIC && !isHibernated) continue;
    if (bytes.readUInt32LE(1024) !== 1) return undefined;
    const uuid = formatUuid(bytes.subarray(1036, 1052));
    const label = bytes.toString('utf8', 1052, 1068).replace(/\0.*$/s, '');
    const area = { pageBytes, ...(uuid !== undefined ? { uuid } : {}), ...(label !== '' ? { label } : {}) };
    return { area, isHibernated };
  }
  return undefined;
}

/** The first page of a swap area of `sizeBytes`, as mkswap(8) makes it. */
export function makeSwapHeader(area: SwapArea, sizeBytes: number): Buffer {
  const page = Buffer.alloc(area.pageBytes);
  page.writeUInt32LE(1, 1024);
  page.writeUInt32LE(Math.min(Math.floor(sizeBytes / area.pageBytes) - 1, 0xffffffff), 1028);
  if (area.uuid !== undefined) Buffer.from(area.uuid.replaceAll('-', ''), 'hex').copy(page, 1036, 0, 16);
  if (area.label !== undefined) page.write(area.label, 1052, 16);
  page.write(SWAP_MAGIC, area.pageBytes - 10, 'latin1');
  return page;
}

/** Writes the header of a swap volume at its place on the disk. May be repeated. Throws DISK_WRITE_FAILED. */
export async function writeSwapHeader(disk: Disk, volume: Volume): Promise<void> {
  if (volume.swap === undefined) return;
  const page = makeSwapHeader(volume.swap, volume.sizeBytes);
  const file = DirectFile.open(disk.path, 'write');
  try {
    file.writeAt(page, volume.startBytes, page.length);
    file.sync();
  } finally {
    file.close();
  }
}

function formatUuid(bytes: Buffer): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
