/** Finds what of a volume is used: the filesystem's own bookkeeping for Btrfs, partclone's block map for the others that it knows, nothing for swap, else raw. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Extents, normalizeExtents } from '#protocol/chunk.ts';
import { KnownError } from '#protocol/errors.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { type BlockProbe, probeBlock } from './block-probe.ts';
import { mapBtrfs } from './btrfs-map.ts';
import { isContainer, mapContainer } from './container-map.ts';
import { DirectFile } from './direct-file.ts';
import { subtractExtents, uniteExtents } from './extent-set.ts';
import { findDistrust } from './filesystem-state.ts';
import { withLoopDevice } from './loop-device.ts';
import { findNtfsScratch, isHibernated } from './ntfs-scratch.ts';
import { readFilesystemBytes, readPartcloneMap } from './partclone-map.ts';
import { readSwapHeader, SWAP_HEADER_BYTES } from './swap.ts';
import { nameOfVolume, type VolumeSpan } from './volumes.ts';

export interface MappedDisk {
  readonly path: string;
  readonly sectorBytes: number;
}

export interface VolumeMap {
  readonly head: VolumeHead;
  /** Absent: raw. Every byte is read, and blocks of zeros are left out. */
  readonly extents?: Extents;
  readonly warnings: readonly string[];
}

/** What is taken around a place that a filesystem uses and no map of it knows, in bytes. */
const MARGIN_BYTES = 4096;
/** Milliseconds for one map; a map of a full 4 TB NTFS takes a minute or two. */
const MAP_LIMIT_MS = 15 * 60_000;
/**
 * Boot loaders use the space that a filesystem leaves free at its start and partclone's map with it: extlinux the first
 * sector of ext with blocks of 1 KiB, and the first 64 KiB of Btrfs.
 */
const BOOT_SPACE_BYTES = 64 * 1024;

const BITLOCKER =
  'encrypted by BitLocker, carried as it is, its free space too. Every host gets the keys of the source, and asks for its recovery key where a TPM was to open it. To carry only used blocks, decrypt it first: manage-bde -off C:';

/** Says in the manifest that a Btrfs was mapped by its own extent tree (btrfs-map.ts). */
const EXTENT_TREE = 'extent-tree';

/**
 * The partclone program for what blkid finds. Not that of APFS (0.3.36): it reads the space manager of whichever checkpoint lies first, and
 * of that only the first block of chunks, so that all beyond 16 GB counts as free.
 */
const partcloneFor: Readonly<Record<string, string>> = {
  ext2: 'partclone.extfs',
  ext3: 'partclone.extfs',
  ext4: 'partclone.extfs',
  vfat: 'partclone.fat',
  ntfs: 'partclone.ntfs',
  xfs: 'partclone.xfs',
  exfat: 'partclone.exfat',
  f2fs: 'partclone.f2fs',
  hfsplus: 'partclone.hfsp',
  minix: 'partclone.minix',
};

/**
 * Maps what lies on a span of the disk: one volume, or those in a container. Only reads. What partclone cannot map (damaged,
 * mounted, hibernated …) is taken raw, with a warning that says why. Throws DISK_READ_FAILED, PROGRAM_MISSING (blkid,
 * losetup), AbortError.
 */
export async function mapVolumes(disk: MappedDisk, span: VolumeSpan, signal?: AbortSignal): Promise<VolumeMap[]> {
  // Nothing in the boot area is a filesystem, whatever its bytes look like.
  if (span.kind === 'boot') return [{ head: { ...span, map: 'raw' }, warnings: [] }];
  const probe = await probeBlock(disk.path, span);
  signal?.throwIfAborted();
  if (isContainer(probe.type)) {
    return mapContainer(disk, span, probe.type, (inner, part) => mapVolumes(inner, part, signal));
  }
  return [await mapFilesystem(disk, span, probe, signal)];
}

async function mapFilesystem(
  disk: MappedDisk,
  span: VolumeSpan,
  probe: BlockProbe,
  signal: AbortSignal | undefined,
): Promise<VolumeMap> {
  const head = { ...span, ...(probe.type !== undefined ? { filesystem: probe.type } : {}) };
  if (probe.type === 'swap' || probe.type === 'swsuspend') {
    const map = mapSwap(disk.path, head);
    if (map !== undefined) return map;
  }
  const map = probe.type === 'btrfs' ? EXTENT_TREE : partcloneFor[probe.type ?? ''];
  if (map === undefined) {
    return { head: { ...head, map: 'raw' }, warnings: rawWarnings(span, probe) };
  }
  const extents = await orReadError(
    async () =>
      (await distrustOf(probe.type!, disk, span)) ??
      (await (map === EXTENT_TREE ? readExtentTree(disk, span, signal) : runPartclone(map, disk, span, signal))),
  );
  if (typeof extents === 'string') {
    const warning = `${nameOfVolume(span)}: taken raw, because the used blocks of its ${probe.type} cannot be told: ${extents}`;
    return { head: { ...head, map: 'raw' }, warnings: [warning] };
  }
  const all = uniteExtents(extents, runsThatMapsSkip(probe.type!, disk.path, span));
  const found = { head: { ...head, map }, extents: all, warnings: [] };
  return probe.type === 'ntfs' ? withoutScratch(found, disk, span) : found;
}

/** Why no map is to be believed. Throws PROGRAM_MISSING, DISK_READ_FAILED. */
function distrustOf(type: string, disk: MappedDisk, span: VolumeSpan): Promise<string | undefined> {
  return findDistrust(type, {
    read: (offset, length) => DirectFile.readSpan(disk.path, span.startBytes + offset, length),
    withDevice: (use) => withLoopDevice({ ...span, ...disk, mode: 'read' }, use),
  });
}

/** Where the disk cannot be read there is no map: reading every block says so, or rescues what it can. */
async function orReadError<T>(find: () => Promise<T>): Promise<T | string> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof KnownError && error.code === 'DISK_READ_FAILED') return error.message;
    throw error;
  }
}

/** A string is the reason why there is no map. Throws DISK_READ_FAILED. */
async function readExtentTree(disk: MappedDisk, span: VolumeSpan, signal?: AbortSignal): Promise<Extents | string> {
  const file = DirectFile.open(disk.path, 'read');
  const read = (offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    file.readAt(bytes, span.startBytes + offset, length);
    return bytes;
  };
  try {
    return await mapBtrfs(read, span.sizeBytes, signal);
  } finally {
    file.close();
  }
}

/** `-f 0`: else its thread that shows progress sleeps a second before it looks whether the map is done. */
export function partcloneArgv(program: string, device: string, mapPath: string, logPath: string): string[] {
  return [program, '-D', '-f', '0', '-s', device, '-o', mapPath, '-L', logPath, '-q'];
}

/** A string is the reason why there is no map. */
async function runPartclone(
  program: string,
  disk: MappedDisk,
  span: VolumeSpan,
  signal?: AbortSignal,
): Promise<Extents | string> {
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-map-'));
  const mapPath = join(folder, 'map');
  const logPath = join(folder, 'log');
  try {
    await withLoopDevice({ ...span, ...disk, mode: 'read' }, (device) =>
      run(partcloneArgv(program, device, mapPath, logPath), {
        limitMs: MAP_LIMIT_MS,
        cwd: folder,
        ...(signal ? { signal } : {}),
      }),
    );
    const [map, log] = [await readFile(mapPath, 'utf8'), await readFile(logPath, 'utf8')];
    const found = readPartcloneMap(map, { sizeBytes: span.sizeBytes, filesystemBytes: readFilesystemBytes(log) });
    return typeof found === 'string' ? found : found.extents;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof KnownError && error.code === 'PROGRAM_MISSING') return error.message;
    return lastLineOf(await readFile(logPath, 'utf8').catch(() => '')) ?? String((error as Error).message);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The map of an NTFS without the memory that Windows has put aside. Only reads. Throws PROGRAM_MISSING. */
async function withoutScratch(
  { head, extents }: VolumeMap & { extents: Extents },
  disk: MappedDisk,
  span: VolumeSpan,
): Promise<VolumeMap> {
  const bootSector = readStart(disk.path, span, 512);
  const scratch = await withLoopDevice({ ...span, ...disk, mode: 'read' }, (device) =>
    findNtfsScratch(device, bootSector, span.sizeBytes),
  );
  const sleeps =
    scratch.hibernationAt !== undefined &&
    isHibernated(readStart(disk.path, { ...span, startBytes: span.startBytes + scratch.hibernationAt }, 512));
  const warning =
    `${nameOfVolume(span)}: a hibernated Windows sleeps in it (Fast Startup counts as such); what it kept in memory is not ` +
    'carried and its files may be out of date. Shut it down with "shutdown /s /f /t 0" and capture again';
  return { head, extents: subtractExtents(extents, scratch.extents), warnings: sleeps ? [warning] : [] };
}

/** partclone says in its log what ails it, on its last line that is not a rule or a farewell. */
function lastLineOf(log: string): string | undefined {
  const lines = log.split('\n').map((line) => line.trim());
  return lines.findLast((line) => line !== '' && !/^(Partclone fail|Make sure|[-=*]+)/.test(line));
}

function runsThatMapsSkip(type: string, path: string, span: VolumeSpan): Extents {
  const runs: [number, number][] = [[0, BOOT_SPACE_BYTES]];
  // NTFS keeps a copy of its boot sector behind its last cluster: in no map of partclone's, nor in its images.
  if (type === 'ntfs') {
    const behind = ntfsBytes(readStart(path, span, 512));
    runs.push([span.sizeBytes - MARGIN_BYTES, span.sizeBytes], [behind - MARGIN_BYTES, behind + MARGIN_BYTES]);
  }
  return normalizeExtents(runs, span.sizeBytes);
}

/** Bytes of an NTFS without the copy of its boot sector: bytes a sector at 11, sectors at 40. */
function ntfsBytes(bootSector: Buffer): number {
  return bootSector.readUInt16LE(11) * Number(bootSector.readBigUInt64LE(40));
}

function mapSwap(path: string, head: Omit<VolumeHead, 'map'>): VolumeMap | undefined {
  const swap = readSwapHeader(readStart(path, head, SWAP_HEADER_BYTES));
  if (swap === undefined) return undefined;
  const warnings = swap.isHibernated
    ? [`${nameOfVolume(head)}: a hibernated system sleeps in this swap area; it is not carried, the swap will be empty`]
    : [];
  return {
    head: { ...head, filesystem: 'swap', map: 'none', swap: swap.area },
    extents: new Float64Array(0),
    warnings,
  };
}

function rawWarnings(span: VolumeSpan, probe: BlockProbe): string[] {
  if (probe.isAmbiguous)
    return [`${nameOfVolume(span)}: taken raw, because it has the signatures of several filesystems`];
  if (probe.type === 'BitLocker') return [`${nameOfVolume(span)}: ${BITLOCKER}`];
  return probe.type === undefined ? [] : [`${nameOfVolume(span)}: ${probe.type} has no block map: taken raw`];
}

function readStart(path: string, span: Pick<VolumeSpan, 'startBytes' | 'sizeBytes'>, bytes: number): Buffer {
  return DirectFile.readSpan(path, span.startBytes, Math.min(bytes, span.sizeBytes));
}
