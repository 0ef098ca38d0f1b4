/** Reads how a disk is divided: blkid says which kind of table it has, sfdisk(8) reads it, the boot code comes from sector 0. */
import { stat } from 'node:fs/promises';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Layout, Partition } from '#protocol/layout.ts';
import { run } from '#system/run.ts';
import { probeBlock } from './block-probe.ts';
import { DirectFile } from './direct-file.ts';
import { diskSizeOf } from './disk-size.ts';
import { MBR_BYTES, readHybridMbr } from './hybrid-mbr.ts';
import { withSectorSize } from './loop-device.ts';
import { findOddity } from './table-oddity.ts';

/** Bytes of boot code at the start of a disk; the disk signature and the MBR table follow. */
export const BOOT_CODE_BYTES = 440;

/** `sfdisk --json`, util-linux 2.36 and later. `table-length` is a string there. */
const tableSchema = Type.Object({
  partitiontable: Type.Object({
    label: Type.String(),
    id: Type.Optional(Type.String()),
    firstlba: Type.Optional(Type.Integer()),
    lastlba: Type.Optional(Type.Integer()),
    'table-length': Type.Optional(Type.Union([Type.String(), Type.Integer()])),
    partitions: Type.Optional(
      Type.Array(
        Type.Object({
          node: Type.String(),
          start: Type.Integer(),
          size: Type.Integer(),
          type: Type.String(),
          uuid: Type.Optional(Type.String()),
          name: Type.Optional(Type.String()),
          attrs: Type.Optional(Type.String()),
          bootable: Type.Optional(Type.Boolean()),
        }),
      ),
    ),
  }),
});
type TableDump = Static<typeof tableSchema>;

export interface Table {
  readonly layout: Layout;
  /** Why the disk counts as one without a table although it has one: it must be carried to the byte, whatever else its bytes look like. */
  readonly oddity?: string;
}

/** As readTable, the layout alone. */
export async function readLayout(diskPath: string, sectorBytes: number): Promise<Layout> {
  return (await readTable(diskPath, sectorBytes)).layout;
}

/**
 * How a disk is divided, or the file that stands for one. A filesystem without a table around it, nothing known, what only looks like a
 * table, and a table that could not be laid again is label `none`. Throws DISK_READ_FAILED, PROGRAM_FAILED.
 */
export async function readTable(diskPath: string, sectorBytes: number): Promise<Table> {
  const diskBytes = diskSizeOf(diskPath, sectorBytes);
  const isFile = (await stat(diskPath)).isFile();
  const bare: Layout = { label: 'none', sectorBytes, diskBytes, partitions: [] };
  return withSectorSize({ path: diskPath, sizeBytes: diskBytes, sectorBytes, isFile }, 'read', async (path) => {
    // Whether a bare FAT or NTFS has a table in its boot sector is blkid's work: it tells them apart.
    const { tableType } = await probeBlock(path);
    if (tableType === undefined) return { layout: bare };
    if (tableType !== 'gpt' && tableType !== 'dos') return { layout: bare, oddity: sayOtherTable(tableType) };
    const { stdout } = await run(['sfdisk', '--json', path]);
    const mbr = readMbr(diskPath);
    const bootCode = mbr.subarray(0, BOOT_CODE_BYTES);
    const layout = layoutFromDump(JSON.parse(stdout), { sectorBytes, diskBytes, bootCode });
    if (layout === undefined) return { layout: bare, oddity: sayOtherTable(tableType) };
    if (layout.label === 'dos' && layout.partitions.length === 0) return { layout: bare };
    const header = layout.label === 'gpt' ? DirectFile.readSpan(diskPath, sectorBytes, sectorBytes) : undefined;
    const oddity = findOddity(layout, header);
    if (oddity !== undefined) return { layout: bare, oddity };
    const hybridMbr = layout.label === 'gpt' ? readHybridMbr(mbr, layout.partitions) : undefined;
    return { layout: hybridMbr === undefined ? layout : { ...layout, hybridMbr } };
  });
}

function sayOtherTable(type: string): string {
  return `its partition table (${type}) is none that could be laid again`;
}

/** Turns what sfdisk printed into a layout; undefined: it is not what this program can lay again. */
function layoutFromDump(
  dump: unknown,
  o: { sectorBytes: number; diskBytes: number; bootCode: Buffer },
): Layout | undefined {
  if (!Value.Check(tableSchema, dump)) return undefined;
  const table = dump.partitiontable;
  if (table.label !== 'gpt' && table.label !== 'dos') return undefined;
  const tableLength = table['table-length'];
  return {
    label: table.label,
    ...(table.id !== undefined ? { labelId: table.id } : {}),
    sectorBytes: o.sectorBytes,
    diskBytes: o.diskBytes,
    ...(table.firstlba !== undefined ? { firstLba: table.firstlba } : {}),
    ...(table.lastlba !== undefined ? { lastLba: table.lastlba } : {}),
    ...(tableLength !== undefined ? { tableLength: Number(tableLength) } : {}),
    ...(o.bootCode.some((byte) => byte !== 0) ? { bootCode: o.bootCode.toString('base64') } : {}),
    // An MBR may name partitions of no sectors: nothing lies in them, and sfdisk would not lay them again.
    partitions: (table.partitions ?? []).filter((entry) => entry.size > 0).map(partitionFromDump),
  };
}

function partitionFromDump(entry: NonNullable<TableDump['partitiontable']['partitions']>[number]): Partition {
  return {
    // sfdisk puts a `p` before the number where the disk's own name ends with a digit.
    number: Number(/(\d+)$/.exec(entry.node)?.[1]),
    startSector: entry.start,
    sectors: entry.size,
    type: entry.type,
    ...(entry.uuid !== undefined ? { uuid: entry.uuid } : {}),
    ...(entry.name !== undefined ? { name: entry.name } : {}),
    ...(entry.attrs !== undefined ? { attrs: entry.attrs } : {}),
    ...(entry.bootable ? { bootable: true } : {}),
  };
}

function readMbr(diskPath: string): Buffer {
  return DirectFile.readSpan(diskPath, 0, MBR_BYTES);
}
