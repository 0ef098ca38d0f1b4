/** One line about what is on a disk now, so that the admin sees in the plan what will be lost. */
import { KnownError } from '#protocol/errors.ts';
import { isExtended, type Layout } from '#protocol/layout.ts';
import { type BlockProbe, probeBlock } from './block-probe.ts';
import { readTable } from './layout-reader.ts';

/** A longer list helps nobody. */
const MAX_PARTITIONS = 16;

/**
 * `gpt: 1 vfat 100.0 MiB "EFI", 2 ext4 20.0 GiB`, `ext4 "data"` for a disk without a table, or empty. Never throws for what lies on the
 * disk: what cannot be read is said in words.
 */
export async function readContent(diskPath: string, sectorBytes: number): Promise<string> {
  try {
    const { layout, oddity } = await readTable(diskPath, sectorBytes);
    if (oddity !== undefined) return `not empty: ${oddity}`;
    if (layout.label === 'none') return describeBare(await probeBlock(diskPath));
    const probes = new Map<number, BlockProbe>();
    for (const partition of layout.partitions.slice(0, MAX_PARTITIONS)) {
      if (isExtended(layout, partition)) continue;
      const startBytes = partition.startSector * sectorBytes;
      probes.set(
        partition.number,
        await probeBlock(diskPath, { startBytes, sizeBytes: partition.sectors * sectorBytes }),
      );
    }
    return describeContent(layout, probes);
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    // Open in the agent's own errors; here there is no need to say which host.
    return `not readable: ${error.message.replace('{host}: ', '')}`;
  }
}

/** The signature of a RAID over the whole disk, if it bears one: blkid(8) names them all *_raid_member. Undefined also where it cannot be read. */
export async function readRaidMember(diskPath: string): Promise<string | undefined> {
  try {
    const { type } = await probeBlock(diskPath);
    return type?.endsWith('_raid_member') ? type : undefined;
  } catch (error) {
    if (error instanceof KnownError) return undefined;
    throw error;
  }
}

/** Pure; `probes` by partition number. */
function describeContent(layout: Layout, probes: ReadonlyMap<number, BlockProbe>): string {
  if (layout.partitions.length === 0) return `${layout.label}: no partitions`;
  const shown = layout.partitions.filter((partition) => probes.has(partition.number));
  const parts = shown.map((partition) => {
    const probe = probes.get(partition.number)!;
    const name = probe.label ?? partition.name;
    const size = formatSize(partition.sectors * layout.sectorBytes);
    return [partition.number, describeType(probe), size, name === undefined ? '' : JSON.stringify(name)]
      .filter((word) => word !== '')
      .join(' ');
  });
  const left = layout.partitions.filter((partition) => !isExtended(layout, partition)).length - parts.length;
  if (left > 0) parts.push(`${left} more`);
  return `${layout.label}: ${parts.join(', ')}`;
}

function describeBare(probe: BlockProbe): string {
  if (probe.isAmbiguous) return 'several filesystems';
  if (probe.type === undefined) return '';
  return probe.label === undefined ? probe.type : `${probe.type} ${JSON.stringify(probe.label)}`;
}

function describeType(probe: BlockProbe): string {
  return probe.type ?? (probe.isAmbiguous ? 'ambiguous' : 'unknown');
}

function formatSize(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
