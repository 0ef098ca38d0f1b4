/** How a disk is divided: what sfdisk(8) says about it, as data. Sector numbers are in units of `sectorBytes`. */
import { type Static, Type } from 'typebox';

export const partitionSchema = Type.Object({
  number: Type.Integer({ minimum: 1 }),
  startSector: Type.Integer({ minimum: 0 }),
  sectors: Type.Integer({ minimum: 1 }),
  /** GPT type GUID or MBR type byte in hex, as sfdisk prints it. */
  type: Type.String(),
  uuid: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  attrs: Type.Optional(Type.String()),
  bootable: Type.Optional(Type.Boolean()),
});
export type Partition = Static<typeof partitionSchema>;

export const layoutSchema = Type.Object({
  label: Type.Union([Type.Literal('gpt'), Type.Literal('dos'), Type.Literal('none')]),
  labelId: Type.Optional(Type.String()),
  sectorBytes: Type.Integer({ minimum: 512 }),
  /** Size of the source disk. */
  diskBytes: Type.Integer({ minimum: 512 }),
  firstLba: Type.Optional(Type.Integer()),
  lastLba: Type.Optional(Type.Integer()),
  tableLength: Type.Optional(Type.Integer()),
  /** First 440 bytes of sector 0 in base64: boot code without disk signature and table. Absent when all zero. */
  bootCode: Type.Optional(Type.String()),
  /** GPT only: the MBR beside it, when it is more than one protective entry. */
  hybridMbr: Type.Optional(
    Type.Object({
      /** Of the disk, as Windows knows it. */
      signature: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
      /** All four in hex; one that stands for a partition of the GPT has its number, and goes where that goes. */
      entries: Type.Array(
        Type.Object({
          raw: Type.String({ pattern: '^[0-9a-f]{32}$' }),
          partition: Type.Optional(Type.Integer({ minimum: 1 })),
        }),
        { minItems: 4, maxItems: 4 },
      ),
    }),
  ),
  partitions: Type.Array(partitionSchema),
});
export type Layout = Static<typeof layoutSchema>;

/** MBR types of an extended partition: it holds logical ones, no data of its own. */
const extendedTypes = new Set(['5', 'f', '85', '05', '0f']);

/** A partition of an MBR that only holds logical ones. */
export function isExtended(layout: Pick<Layout, 'label'>, partition: Partition): boolean {
  return layout.label === 'dos' && extendedTypes.has(partition.type.toLowerCase());
}

/** Sectors at the end of a disk that the backup GPT takes: its entries of 128 bytes and its header. */
export function reservedEndSectors(layout: Layout): number {
  return layout.label === 'gpt' ? 1 + Math.ceil(((layout.tableLength ?? 128) * 128) / layout.sectorBytes) : 0;
}

/** Smallest disk that takes the layout as it is, in bytes: end of the last partition, plus the backup GPT. */
export function leastDiskBytes(layout: Layout): number {
  if (layout.label === 'none') return layout.diskBytes;
  const end = layout.partitions.reduce((most, p) => Math.max(most, p.startSector + p.sectors), 1);
  return (end + reservedEndSectors(layout)) * layout.sectorBytes;
}
