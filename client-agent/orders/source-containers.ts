/**
 * The LUKS containers of a disk that is captured: opened for reading with the secrets of the order, so that what lies in them is
 * mapped like everything else. One that cannot be carried open is taken as it is, and the capture says so.
 */
import type { Disk } from '#protocol/disk.ts';
import { type LuksContainer, payloadOf } from '#protocol/luks-container.ts';
import { DirectFile } from '../disk/direct-file.ts';
import { type LuksHeader, readLuksHeader } from '../disk/luks-header.ts';
import { UnlockedDisk } from '../disk/unlocked-disk.ts';
import { mapVolumes, type VolumeMap } from '../disk/used-extents.ts';
import { nameOfVolume } from '../disk/volumes.ts';

export const LUKS_TYPE = 'crypto_LUKS';

export interface OpenSource {
  /** What to read the volumes from. */
  readonly path: string;
  readonly maps: readonly VolumeMap[];
  readonly containers: readonly LuksContainer[];
  /** Locks the containers again. */
  close(): Promise<void>;
}

/** A container on the disk and the map of it as a whole. */
interface Found {
  readonly map: VolumeMap;
  readonly header: LuksHeader;
  readonly container: LuksContainer;
}

/**
 * Opens every container that `maps` found, each with the first key that does. Writes nothing. Throws LUKS_KEY_REFUSED, LUKS_FAILED
 * (with `{host}` left open), DISK_READ_FAILED, AbortError.
 */
export async function openSource(
  disk: Disk,
  maps: readonly VolumeMap[],
  keys: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<OpenSource> {
  const closed = { path: disk.path, maps, containers: [], close: async () => {} };
  if (keys.length === 0) return { ...closed, maps: maps.map(withHint) };
  const found: Found[] = [];
  const seen = maps.map((map) => {
    const one = findContainer(disk.path, map);
    if (one === undefined) return map;
    if (typeof one === 'string') return withWarning(map, `carried as it is, although a secret was given: ${one}`);
    found.push(one);
    return map;
  });
  if (found.length === 0) return { ...closed, maps: seen };
  const unlocked = await UnlockedDisk.open(
    disk,
    found.map(({ container }) => ({ container, keys })),
    'read',
  );
  try {
    const opened: VolumeMap[][] = [];
    for (const map of seen) {
      const one = found.find((other) => other.map === map);
      opened.push(one === undefined ? [map] : await mapInside({ ...disk, path: unlocked.path }, one, signal));
    }
    const containers = found.map(({ container }) => container);
    return { path: unlocked.path, maps: opened.flat(), containers, close: () => unlocked.close() };
  } catch (error) {
    await unlocked.close();
    throw error;
  }
}

/** Undefined: it is none. A string says why it is carried as it is. */
function findContainer(diskPath: string, map: VolumeMap): Found | string | undefined {
  const { filesystem, within, startBytes, sizeBytes, disk, partition } = map.head;
  if (filesystem !== LUKS_TYPE) return undefined;
  // Each member would get a key of its own, and the mirror two contents.
  if (within?.kind === 'md') return 'it lies on a software mirror';
  const read = (offset: number, length: number) => DirectFile.readSpan(diskPath, startBytes + offset, length);
  const header = readLuksHeader(read, sizeBytes);
  if (typeof header === 'string') return header;
  const { keySlots: _, tokens: _tokens, ...kept } = header;
  const on = { ...(disk === undefined ? {} : { disk }), ...(partition === undefined ? {} : { partition }) };
  const place = { startBytes, sizeBytes, ...on };
  return { map, header, container: { kind: 'luks', ...place, ...kept } };
}

async function mapInside(disk: Disk, { map, header, container }: Found, signal: AbortSignal): Promise<VolumeMap[]> {
  const { kind, disk: number, partition } = map.head;
  const span = {
    kind,
    ...(number === undefined ? {} : { disk: number }),
    ...(partition === undefined ? {} : { partition }),
    within: { kind: 'luks' as const, name: container.uuid },
    ...payloadOf(container),
  };
  const [first, ...others] = await mapVolumes(disk, span, signal);
  if (first === undefined || header.tokens.length === 0) return first === undefined ? [] : [first, ...others];
  const lost = `${nameOfVolume(map.head)}: what else opened it (${header.tokens.map(({ type }) => type).join(', ')}) is not carried: secrets alone open it on hosts`;
  return [{ ...first, warnings: [lost, ...first.warnings] }, ...others];
}

function withHint(map: VolumeMap): VolumeMap {
  if (map.head.filesystem !== LUKS_TYPE) return map;
  const warning =
    'a LUKS container, carried as it is, all of it: to carry only what is used inside, capture with --luks-secret NAME';
  return { ...map, warnings: [`${nameOfVolume(map.head)}: ${warning}`] };
}

function withWarning(map: VolumeMap, text: string): VolumeMap {
  return { ...map, warnings: [`${nameOfVolume(map.head)}: ${text}`] };
}
