/** What a fit changes, in words for people. */
import type { FittedChange } from '#protocol/admin/image-api.ts';
import type { FitChange } from '#protocol/fit.ts';
import { formatBytes } from './size.ts';

/** `2 (ext4) grows by 20.0 GB, 3 (swap) moves`; numbers are those of the partitions. */
export function describeFit(changes: readonly FitChange[]): string {
  return changes.map(describeChange).join(', ');
}

/** The filesystems that were made larger: their own checkers have the last word on them. */
export function grownOf<T extends FitChange>(changes: readonly T[]): T[] {
  return changes.filter(({ fromBytes, sizeBytes }) => sizeBytes > fromBytes);
}

/** `partition 2 (ext4) from 20.0 GB to 9.0 GB`, of what has become smaller. */
export function describeShrunk(changes: readonly FittedChange[]): string {
  return changes
    .filter(({ fromBytes, sizeBytes }) => sizeBytes < fromBytes)
    .map(({ disk, partition, filesystem = 'unknown', container, fromBytes, sizeBytes, volumes = [] }) => {
      const inner = volumes.map((volume) => `${nameOfInner(volume, filesystem)} ${fromTo(volume)}`).join(' and ');
      const number = disk === undefined ? partition : `${partition} of disk ${disk + 1}`;
      const outer = `partition ${number} (${nameOfKind(filesystem, container)}) ${fromTo({ fromBytes, sizeBytes })}`;
      return inner === '' ? outer : `${outer} with ${inner}`;
    })
    .join(', ');
}

function nameOfInner({ name, filesystem }: { name: string; filesystem: string }, outer: string): string {
  return outer === 'crypto_LUKS' ? filesystem : `${name} (${filesystem})`;
}

function fromTo({ fromBytes, sizeBytes }: Pick<FitChange, 'fromBytes' | 'sizeBytes'>): string {
  return `from ${formatBytes(fromBytes)} to ${formatBytes(sizeBytes)}`;
}

function describeChange({ partition, filesystem, container, fromBytes, sizeBytes, volumes = [] }: FitChange): string {
  const what = filesystem === undefined ? '' : `(${nameOfKind(filesystem, container)})`;
  const name = [partition, what].filter(Boolean).join(' ');
  if (sizeBytes <= fromBytes) return `${name} moves`;
  const grown = `${name} grows by ${formatBytes(sizeBytes - fromBytes)}`;
  if (volumes.length === 0) return grown;
  return `${grown}: ${filesystem === 'crypto_LUKS' ? volumes[0]!.filesystem : describeInner(volumes)}`;
}

/** `LVM vg0`; the id of an array or of a LUKS container tells nobody anything. */
function nameOfKind(filesystem: string, container: string | undefined): string {
  if (filesystem === 'crypto_LUKS') return 'LUKS';
  return filesystem === 'LVM2_member' && container !== undefined ? `LVM ${container}` : filesystem;
}

function describeInner(volumes: NonNullable<FitChange['volumes']>): string {
  const [one, ...others] = volumes;
  if (one !== undefined && others.length === 0) return `${one.name} (${one.filesystem})`;
  return volumes
    .map((volume) => `${volume.name} (${volume.filesystem}) by ${formatBytes(volume.sizeBytes - volume.fromBytes)}`)
    .join(' and ');
}
