/** The system on a disk that was just laid: found by looking into every filesystem that can be mounted here, and mounted for finishers. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk } from '#protocol/disk.ts';
import type { FitChange } from '#protocol/fit.ts';
import type { Volume } from '#protocol/manifest.ts';
import { whileMounted } from '../disk/mount.ts';
import { withVolumeDevice } from '../disk/volume-device.ts';

export type SystemKind = 'linux' | 'windows';

export interface TargetSystem {
  readonly kind: SystemKind;
  /** Folder of its root. */
  readonly root: string;
  readonly volume: Volume;
}

interface MountDriver {
  readonly type: string;
  readonly options: string;
}

/** How a filesystem is mounted: driver and options of mount(8), the first that works. */
const drivers: Readonly<Record<string, readonly MountDriver[]>> = {
  ext2: [{ type: 'ext2', options: 'noatime' }],
  ext3: [{ type: 'ext3', options: 'noatime' }],
  ext4: [{ type: 'ext4', options: 'noatime' }],
  // Another disk of the host may carry the same UUID.
  xfs: [{ type: 'xfs', options: 'noatime,nouuid' }],
  btrfs: [{ type: 'btrfs', options: 'noatime' }],
  f2fs: [{ type: 'f2fs', options: 'noatime' }],
  ntfs: [
    { type: 'ntfs3', options: 'noatime' },
    { type: 'ntfs-3g', options: 'noatime' },
  ],
};

/** None: it is not mounted here. */
export function driversOf(filesystem: string): readonly MountDriver[] {
  return drivers[filesystem] ?? [];
}

/** Where the root of a Linux may lie in its filesystem: Btrfs subvolumes as Debian, Ubuntu, openSUSE and Fedora name them. */
const linuxRoots = ['', '@', '@rootfs', 'root', '@/.snapshots/1/snapshot'];

/**
 * Runs `use` with the system of the disk mounted, or with undefined and the reasons why there is none. The largest volume is looked
 * at first; `changes` are those of the fit. Throws what `use` throws, and PROGRAM_FAILED when what was mounted cannot be let go.
 */
export async function withTargetSystem<T>(
  disk: Pick<Disk, 'path' | 'sectorBytes'>,
  volumes: readonly Volume[],
  changes: readonly FitChange[],
  use: (system: TargetSystem | undefined, why: readonly string[]) => Promise<T>,
): Promise<T> {
  const why: string[] = [];
  const candidates = candidatesOf(volumes);
  for (const volume of candidates) {
    const used = await useVolume(disk, volume, changes, why, use);
    if (used !== undefined) return used.result;
  }
  if (candidates.length === 0) why.push('no volume has a filesystem that can be mounted here');
  return use(undefined, why);
}

/**
 * Volumes that can be mounted where they lie, the largest first. A logical volume in several pieces cannot, and one half of a mirror must not:
 * the other one would not have what was changed. Pure.
 */
export function candidatesOf(volumes: readonly Volume[]): Volume[] {
  const isWhole = ({ within }: Volume) =>
    within === undefined ||
    within.kind === 'luks' ||
    (within.kind === 'lvm' &&
      within.offsetBytes === undefined &&
      volumes.filter((other) => other.within?.name === within.name).length === 1);
  return volumes
    .filter((volume) => driversOf(volume.filesystem ?? '').length > 0 && isWhole(volume))
    .toSorted((a, b) => b.sizeBytes - a.sizeBytes);
}

/** Undefined: there is no system on it, or it cannot be mounted (`why` says so). */
async function useVolume<T>(
  disk: Pick<Disk, 'path' | 'sectorBytes'>,
  volume: Volume,
  changes: readonly FitChange[],
  why: string[],
  use: (system: TargetSystem, why: readonly string[]) => Promise<T>,
): Promise<{ result: T } | undefined> {
  const { filesystem = '' } = volume;
  return withVolumeDevice(disk, volume, changes, async (device) => {
    for (const { type, options } of driversOf(filesystem)) {
      let wasMounted = false;
      let found: { result: T } | undefined;
      try {
        await whileMounted(device, type, options, async (folder) => {
          wasMounted = true;
          const system = await systemIn(folder);
          if (system !== undefined) found = { result: await use({ ...system, volume }, why) };
        });
      } catch (error) {
        if (wasMounted) throw error;
        why.push(`${volume.partition ?? 'the disk'} (${filesystem}): ${(error as Error).message}`);
        continue;
      }
      if (found === undefined) why.push(`${volume.partition ?? 'the disk'} (${filesystem}): neither Linux nor Windows`);
      return found;
    }
    return undefined;
  });
}

/** What kind of system has its root in this folder. */
async function systemIn(folder: string): Promise<{ kind: SystemKind; root: string } | undefined> {
  for (const root of linuxRoots.map((name) => join(folder, name))) {
    // os-release is a link, absolute in some systems: that it is there is enough.
    const names: string[] = await readdir(join(root, 'etc')).catch(() => []);
    if (names.includes('os-release') || names.includes('fstab')) return { kind: 'linux', root };
  }
  const config = await findIgnoringCase(folder, ['Windows', 'System32', 'config', 'SYSTEM']);
  return config === undefined ? undefined : { kind: 'windows', root: folder };
}

/** Windows does not tell upper from lower case; the Linux drivers do. Undefined: there is no such thing. */
export async function findIgnoringCase(folder: string, parts: readonly string[]): Promise<string | undefined> {
  let at = folder;
  for (const part of parts) {
    const names = await readdir(at).catch(() => []);
    const name = names.find((one) => one === part) ?? names.find((one) => one.toLowerCase() === part.toLowerCase());
    if (name === undefined) return undefined;
    at = join(at, name);
  }
  return (await stat(at).catch(() => undefined)) === undefined ? undefined : at;
}
