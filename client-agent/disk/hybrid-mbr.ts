/**
 * The MBR beside a GPT, where it is more than a protective one: a hybrid, whose entries name some of the GPT's partitions, or a
 * protective entry with the active flag that some BIOSes want. UEFI 2.10, 5.2.3 has the plain protective MBR.
 *
 * | offset in sector 0 | bytes | field |
 * |-------:|------:|---|
 * | 440 | 4 | disk signature |
 * | 446 | 4 × 16 | entries: flag, CHS of the start (3), type, CHS of the end (3), first sector and sectors (4 each, little-endian) |
 * | 510 | 2 | 55 aa |
 */
import type { Disk } from '#protocol/disk.ts';
import type { Layout } from '#protocol/layout.ts';
import { canonicalJson } from '#protocol/manifest.ts';
import { DirectFile } from './direct-file.ts';

export const MBR_BYTES = 512;
const SIGNATURE = 440;
const ENTRIES = 446;
const ENTRY_BYTES = 16;
const PROTECTIVE = 0xee;
const MAX_SECTORS = 0xffff_ffff;
/** What says "look at the sector numbers". */
const NO_CHS = Buffer.from('feffff', 'hex');

type HybridMbr = NonNullable<Layout['hybridMbr']>;

/** What sfdisk would not lay again; undefined: a plain protective MBR. `mbr` is sector 0. Pure. */
export function readHybridMbr(mbr: Buffer, partitions: Layout['partitions']): HybridMbr | undefined {
  const entries = [0, 1, 2, 3].map((i) => mbr.subarray(ENTRIES + i * ENTRY_BYTES, ENTRIES + (i + 1) * ENTRY_BYTES));
  const used = entries.filter((entry) => entry[4] !== 0);
  const isPlain = used.length === 1 && used[0]![4] === PROTECTIVE && used[0]![0] === 0;
  if (used.length === 0 || isPlain) return undefined;
  return {
    signature: mbr.readUInt32LE(SIGNATURE),
    entries: entries.map((entry) => {
      const [startSector, sectors] = [entry.readUInt32LE(8), entry.readUInt32LE(12)];
      const twin = partitions.find((one) => one.startSector === startSector && one.sectors === sectors);
      const raw = entry.toString('hex');
      return entry[4] === 0 || twin === undefined ? { raw } : { raw, partition: twin.number };
    }),
  };
}

/** Puts the entries into sector 0 of a disk whose GPT has just been laid: those of partitions where the partitions are now. Pure. */
function withHybridMbr(mbr: Buffer, hybrid: HybridMbr, layout: Layout, diskSectors: number): Buffer {
  const made = Buffer.from(mbr);
  made.writeUInt32LE(hybrid.signature, SIGNATURE);
  hybrid.entries.forEach(({ raw, partition: number }, i) => {
    const entry = Buffer.from(raw, 'hex');
    const partition = layout.partitions.find((one) => one.number === number);
    if (partition !== undefined) place(entry, partition.startSector, partition.sectors);
    else if (entry[4] === PROTECTIVE && reachesEnd(entry, layout)) {
      const startSector = entry.readUInt32LE(8);
      place(entry, startSector, Math.min(MAX_SECTORS, diskSectors - startSector));
    }
    entry.copy(made, ENTRIES + i * ENTRY_BYTES);
  });
  return made;
}

/** Whether the MBR beside the GPT of `found` is what laying `wanted` on that disk makes. Pure. */
export function holdsHybridMbr(found: Layout, wanted: Layout): boolean {
  if (wanted.hybridMbr === undefined) return found.hybridMbr === undefined;
  const diskSectors = found.diskBytes / found.sectorBytes;
  const made = withHybridMbr(Buffer.alloc(MBR_BYTES), wanted.hybridMbr, wanted, diskSectors);
  const expected = readHybridMbr(made, wanted.partitions);
  return canonicalJson(expected ?? null) === canonicalJson(found.hybridMbr ?? null);
}

/** Throws DISK_WRITE_FAILED. */
export function writeHybridMbr(disk: Pick<Disk, 'path' | 'sizeBytes' | 'sectorBytes'>, layout: Layout): void {
  if (layout.hybridMbr === undefined) return;
  const file = DirectFile.open(disk.path, 'write');
  try {
    const mbr = Buffer.alloc(MBR_BYTES);
    file.readAt(mbr, 0, MBR_BYTES);
    const made = withHybridMbr(mbr, layout.hybridMbr, layout, disk.sizeBytes / disk.sectorBytes);
    file.writeAt(made, 0, MBR_BYTES);
    file.sync();
  } finally {
    file.close();
  }
}

function place(entry: Buffer, startSector: number, sectors: number): void {
  if (entry.readUInt32LE(8) === startSector && entry.readUInt32LE(12) === sectors) return;
  // Where MBR sector numbers do not reach, the entry is dropped: better none than one that points elsewhere.
  if (startSector + sectors > MAX_SECTORS + 1) entry.fill(0);
  else {
    NO_CHS.copy(entry, 1);
    NO_CHS.copy(entry, 5);
    entry.writeUInt32LE(startSector, 8);
    entry.writeUInt32LE(sectors, 12);
  }
}

/** On a plain protective MBR it covers the disk, on most hybrids only what lies before the first partition. */
function reachesEnd(entry: Buffer, { partitions }: Layout): boolean {
  const end = entry.readUInt32LE(8) + entry.readUInt32LE(12);
  return partitions.every((one) => end >= Math.min(MAX_SECTORS, one.startSector + one.sectors));
}
