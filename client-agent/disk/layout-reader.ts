/** Reads how a disk is divided: blkid says which kind of table it has, sfdisk(8) reads it, the boot code comes from sector 0. */
import { stat } from 'node:fs/promises';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { knownError } from '#protocol/errors.ts';
import { isExtended, type Layout, type Partition } from '#protocol/layout.ts';
import { run } from '#system/run.ts';
import { type BlockProbe, probeBlock } from './block-probe.ts';
import { DirectFile } from './direct-file.ts';
import { diskSizeOf } from './disk-size.ts';
import { MBR_BYTES, readHybridMbr } from './hybrid-mbr.ts';
import { withSectorSize } from './loop-device.ts';

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

/**
 * The layout of a disk or of the file that stands for one. A filesystem without a table around it, nothing known, or what only
 * looks like a table is label `none`. Throws LAYOUT_UNSUPPORTED for other tables, DISK_READ_FAILED, PROGRAM_FAILED.
 */
export async function readLayout(diskPath: string, sectorBytes: number): Promise<Layout> {
  const diskBytes = diskSizeOf(diskPath, sectorBytes);
  const isFile = (await stat(diskPath)).isFile();
  return withSectorSize({ path: diskPath, sizeBytes: diskBytes, sectorBytes, isFile }, 'read', async (path) => {
    const label = labelOf(await probeBlock(path), diskPath);
    if (label === 'none') return { label, sectorBytes, diskBytes, partitions: [] };
    const { stdout } = await run(['sfdisk', '--json', path]);
    const mbr = readMbr(diskPath);
    const bootCode = mbr.subarray(0, BOOT_CODE_BYTES);
    const layout = layoutFromDump(JSON.parse(stdout), { diskPath, sectorBytes, diskBytes, bootCode });
    if (isNoTable(layout)) return { label: 'none', sectorBytes, diskBytes, partitions: [] };
    const hybridMbr = layout.label === 'gpt' ? readHybridMbr(mbr, layout.partitions) : undefined;
    return hybridMbr === undefined ? layout : { ...layout, hybridMbr };
  });
}

/** Throws LAYOUT_UNSUPPORTED. Checks for a table in the boot sector of a bare FAT or NTFS is blkid's work: it tells them apart. */
function labelOf(probe: BlockProbe, disk: string): Layout['label'] {
  if (probe.tableType === 'gpt' || probe.tableType === 'dos') return probe.tableType;
  if (probe.tableType === undefined) return 'none';
  throw knownError('LAYOUT_UNSUPPORTED', { disk, label: probe.tableType });
}

/** Turns what sfdisk printed into a layout. Throws LAYOUT_UNSUPPORTED when it is not what this program can lay again. */
function layoutFromDump(
  dump: unknown,
  o: { diskPath: string; sectorBytes: number; diskBytes: number; bootCode: Buffer },
): Layout {
  const unsupported = (label: string) => knownError('LAYOUT_UNSUPPORTED', { disk: o.diskPath, label });
  if (!Value.Check(tableSchema, dump)) throw unsupported('as sfdisk prints it');
  const table = dump.partitiontable;
  if (table.label !== 'gpt' && table.label !== 'dos') throw unsupported(table.label);
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

/**
 * An MBR that names no partition: of exFAT and others on the bare disk blkid says that they have one, as their boot sector ends as an MBR
 * does. Or one that sfdisk would not lay again (the image of a bootable CD, say): partitions begin in the boot record itself, or one
 * lies in another that is no extended one. Pure.
 */
function isNoTable(layout: Pick<Layout, 'label' | 'partitions'>): boolean {
  return (layout.label === 'dos' && layout.partitions.length === 0) || isOverlapping(layout);
}

function isOverlapping(layout: Pick<Layout, 'label' | 'partitions'>): boolean {
  const extended = layout.partitions.filter((one) => isExtended(layout, one));
  const others = layout.partitions.filter((one) => !extended.includes(one));
  const isLogical = ({ number }: Partition) => layout.label === 'dos' && number > 4;
  const primary = [...extended, ...others.filter((one) => !isLogical(one))];
  return [primary, others.filter(isLogical)].some((alike) => {
    const inOrder = alike.toSorted((a, b) => a.startSector - b.startSector);
    return inOrder.some(
      (one, i) => one.startSector === 0 || one.startSector + one.sectors > (inOrder[i + 1]?.startSector ?? Infinity),
    );
  });
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
