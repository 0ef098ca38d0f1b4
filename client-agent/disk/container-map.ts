/**
 * Volumes that lie in a partition (or a bare disk) as parts of a container: logical volumes of LVM, the data of a software mirror.
 * Nothing is assembled or activated: they are found by the containers' own metadata and mapped where they lie, and are laid down
 * again at the same places of the container, so that it is the same container. docs/decisions/0010-containers.md
 */
import type { Extents } from '#protocol/chunk.ts';
import type { Within } from '#protocol/manifest.ts';
import { DirectFile } from './direct-file.ts';
import { withLinearDevice } from './linear-device.ts';
import { type LvmRun, type PhysicalVolume, type ReadBytes, readPhysicalVolume } from './lvm-metadata.ts';
import { MD_HEAD_BYTES, readMirrorMember } from './md-superblock.ts';
import type { MappedDisk, VolumeMap } from './used-extents.ts';
import { nameOfVolume, type VolumeSpan } from './volumes.ts';

/** Maps one volume that is no container, or one. */
type MapVolume = (disk: MappedDisk, span: VolumeSpan) => Promise<VolumeMap[]>;

/** What blkid calls the containers whose insides are found here. */
export type ContainerType = 'LVM2_member' | 'linux_raid_member';

export function isContainer(type: string | undefined): type is ContainerType {
  return type === 'LVM2_member' || type === 'linux_raid_member';
}

/** The volumes in the container on `span`. One that is not understood is a single raw volume, with the reason. Throws DISK_READ_FAILED. */
export function mapContainer(
  disk: MappedDisk,
  span: VolumeSpan,
  type: ContainerType,
  mapVolume: MapVolume,
): Promise<VolumeMap[]> {
  return type === 'LVM2_member' ? mapPhysicalVolume(disk, span, mapVolume) : mapMirror(disk, span, mapVolume);
}

async function mapMirror(disk: MappedDisk, span: VolumeSpan, mapVolume: MapVolume): Promise<VolumeMap[]> {
  const read = readerOf(disk.path, span);
  const member = readMirrorMember(read(0, Math.min(MD_HEAD_BYTES, span.sizeBytes)), span.sizeBytes);
  if (member === undefined) return [notUnderstood(span, 'linux_raid_member', 'no mirror of version 1.1 or 1.2')];
  const { arrayId, dataStartBytes, dataBytes } = member;
  const within = withinOf(span, { kind: 'md', name: arrayId });
  const part = (startBytes: number, endBytes: number) => partOf(span, startBytes, endBytes - startBytes, within);
  const dataEnd = dataStartBytes + dataBytes;
  const behind = dataEnd < span.sizeBytes ? [rawOf(part(dataEnd, span.sizeBytes))] : [];
  return [
    rawOf(part(0, dataStartBytes), 'linux_raid_member'),
    ...(await mapVolume(disk, part(dataStartBytes, dataEnd))),
    ...behind,
  ];
}

async function mapPhysicalVolume(disk: MappedDisk, span: VolumeSpan, mapVolume: MapVolume): Promise<VolumeMap[]> {
  const found = readPhysicalVolume(readerOf(disk.path, span), span.sizeBytes);
  if (typeof found === 'string') return [notUnderstood(span, 'LVM2_member', found)];
  const { group, extentBytes, extents, members, areas } = found;
  const pv = { extentBytes, extents, members, areas };
  const maps = found.metadata.map(({ startBytes, sizeBytes }) => {
    const within = withinOf(span, { kind: 'lvm', name: group, ...(startBytes === 0 ? { pv } : {}) });
    return rawOf(partOf(span, startBytes, sizeBytes, within), 'LVM2_member');
  });
  for (const runs of volumesOf(found)) maps.push(...(await mapLogicalVolume(disk, span, runs, mapVolume)));
  return maps.sort((a, b) => a.head.startBytes - b.head.startBytes);
}

/** The runs of each logical volume, in its own order. */
function volumesOf({ runs }: PhysicalVolume): LvmRun[][] {
  const byName = Map.groupBy(runs, (run) => run.name);
  return [...byName.values()].map((own) => own.sort((a, b) => a.offsetBytes - b.offsetBytes));
}

async function mapLogicalVolume(
  disk: MappedDisk,
  span: VolumeSpan,
  runs: readonly LvmRun[],
  mapVolume: MapVolume,
): Promise<VolumeMap[]> {
  const { isPlain, wholeBytes } = runs[0]!;
  const parts = runs.map(({ startBytes, sizeBytes, name, offsetBytes }) => {
    const offset = offsetBytes === 0 ? {} : { offsetBytes };
    const special = isPlain ? {} : { special: true as const };
    return partOf(span, startBytes, sizeBytes, withinOf(span, { kind: 'lvm', name, ...offset, ...special }));
  });
  const [first] = parts as [VolumeSpan];
  if (!isPlain) return parts.map((part, i) => (i === 0 ? specialOf(part) : rawOf(part)));
  if (parts.length === 1) return mapVolume(disk, first);
  try {
    return await withLinearDevice(disk.path, parts, 'read', async (path) => {
      const whole: VolumeSpan = { ...first, startBytes: 0, sizeBytes: wholeBytes };
      const [map, ...others] = await mapVolume({ path, sectorBytes: disk.sectorBytes }, whole);
      // A container in a volume that lies in pieces, or a swap area: carried as it is.
      if (map === undefined || others.length > 0 || map.extents === undefined || map.head.swap !== undefined) {
        return parts.map((part, i) => ({ ...rawOf(part), warnings: i === 0 ? (map?.warnings ?? []) : [] }));
      }
      return parts.map((part, i) => cutMap(map, part, runs[i]!));
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const warning = `${nameOfVolume(first)}: taken raw, because it lies in pieces that cannot be joined here: ${reason}`;
    return parts.map((part, i) => ({ ...rawOf(part), warnings: i === 0 ? [warning] : [] }));
  }
}

/** What of the map of a whole logical volume falls into one of its pieces. */
function cutMap(map: VolumeMap, part: VolumeSpan, run: LvmRun): VolumeMap {
  const end = run.offsetBytes + run.sizeBytes;
  const own: number[] = [];
  const extents = map.extents ?? new Float64Array(0);
  for (let i = 0; i < extents.length; i += 2) {
    const from = Math.max(extents[i]!, run.offsetBytes);
    const to = Math.min(extents[i + 1]!, end);
    if (from < to) own.push(from - run.offsetBytes, to - run.offsetBytes);
  }
  const { filesystem, map: program } = map.head;
  const head = { ...part, ...(filesystem === undefined ? {} : { filesystem }), map: program };
  return { head, extents: Float64Array.from(own) as Extents, warnings: run.offsetBytes === 0 ? map.warnings : [] };
}

/** What a container in an opened LUKS container is within. */
function withinOf({ within: outer }: VolumeSpan, within: Within): Within {
  const luks = outer?.kind === 'luks' ? outer.name : outer?.luks;
  return luks === undefined ? within : { ...within, luks };
}

function partOf(span: VolumeSpan, startBytes: number, sizeBytes: number, within: Within): VolumeSpan {
  return { ...span, startBytes: span.startBytes + startBytes, sizeBytes, within };
}

function rawOf(span: VolumeSpan, filesystem?: string): VolumeMap {
  return { head: { ...span, ...(filesystem === undefined ? {} : { filesystem }), map: 'raw' }, warnings: [] };
}

function specialOf(span: VolumeSpan): VolumeMap {
  const reason =
    'it is part of a thin pool, a snapshot, a mirror, a cache or a stripe set, or lies on other disks or partitions too';
  return { ...rawOf(span), warnings: [`${nameOfVolume(span)}: taken raw: ${reason}`] };
}

function notUnderstood(span: VolumeSpan, filesystem: ContainerType, reason: string): VolumeMap {
  return { ...rawOf(span, filesystem), warnings: [`${nameOfVolume(span)}: ${filesystem} taken raw: ${reason}`] };
}

function readerOf(path: string, span: VolumeSpan): ReadBytes {
  return (offset, length) => DirectFile.readSpan(path, span.startBytes + offset, length);
}
