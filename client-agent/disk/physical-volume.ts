/**
 * Makes a physical volume of LVM as large as the place that it lies in, and logical volumes in it with their filesystems. LVM's own
 * programs write its metadata, on a loop device over that place; nothing is activated. docs/decisions/0010-containers.md
 */

import type { GrownVolume } from '#protocol/container.ts';
import type { Disk } from '#protocol/disk.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { FitChange } from '#protocol/fit.ts';
import { DirectFile } from './direct-file.ts';
import { growFilesystem } from './filesystem-grower.ts';
import { withLinearDevice } from './linear-device.ts';
import { withLoopDevice } from './loop-device.ts';
import { type LvmRun, readPhysicalVolume } from './lvm-metadata.ts';
import { lvm } from './lvm-program.ts';

type Target = Pick<Disk, 'path' | 'sectorBytes'>;
/** Where the physical volume lies now, and what of it grows. */
type Place = Pick<FitChange, 'partition' | 'container' | 'startBytes' | 'sizeBytes' | 'volumes'>;

/** May be repeated. Throws GROW_FAILED (with `{host}` left open), after which the group is not to be trusted; PROGRAM_MISSING. */
export async function growPhysicalVolume(disk: Target, place: Place): Promise<void> {
  const { partition, container: group = '', volumes = [], startBytes, sizeBytes } = place;
  const span = { path: disk.path, startBytes, sizeBytes, sectorBytes: disk.sectorBytes, mode: 'write' as const };
  try {
    await withLoopDevice(span, async (device) => {
      await lvm(device, 'pvresize', device);
      for (const volume of volumes) await extendVolume(device, disk, place, volume);
      await lvm(device, 'vgck', group);
    });
  } catch (error) {
    if (!(error instanceof KnownError) || error.code !== 'PROGRAM_FAILED') throw error;
    const values = { filesystem: 'LVM', where: partition ?? 'none', reason: error.message };
    throw knownError('GROW_FAILED', values, { cause: error });
  }
  for (const volume of volumes) await growInside(disk, place, volume);
}

/** The runs of a logical volume on the disk, in its own order and in bytes of the disk. Throws GROW_FAILED when its metadata makes no sense. */
export function runsOnDisk(disk: Target, place: Place, name: string): LvmRun[] {
  const { startBytes, sizeBytes, partition } = place;
  const read = (offset: number, length: number) => DirectFile.readSpan(disk.path, startBytes + offset, length);
  const found = readPhysicalVolume(read, sizeBytes);
  const own = typeof found === 'string' ? [] : found.runs.filter((one) => one.name === name);
  if (own.length > 0) {
    return own
      .map((one) => ({ ...one, startBytes: startBytes + one.startBytes }))
      .sort((a, b) => a.offsetBytes - b.offsetBytes);
  }
  const reason = typeof found === 'string' ? found : `it has no volume ${name}`;
  throw knownError('GROW_FAILED', { filesystem: 'LVM', where: partition ?? 'none', reason });
}

/** lvextend(8) refuses to extend by nothing. */
async function extendVolume(
  device: string,
  disk: Target,
  place: Place,
  { name, sizeBytes }: GrownVolume,
): Promise<void> {
  if (runsOnDisk(disk, place, name)[0]!.wholeBytes >= sizeBytes) return;
  await lvm(device, 'lvextend', '--size', `${sizeBytes}b`, name);
}

async function growInside(disk: Target, place: Place, { name, filesystem, sizeBytes }: GrownVolume): Promise<void> {
  const { partition } = place;
  const whole = { filesystem, sizeBytes, where: `${partition === undefined ? '' : `${partition}, `}${name}` };
  const runs = runsOnDisk(disk, place, name);
  if (runs.length === 1) return growFilesystem(disk, { ...whole, startBytes: runs[0]!.startBytes });
  await withLinearDevice(disk.path, runs, 'write', (path) =>
    growFilesystem({ path, sectorBytes: disk.sectorBytes }, { ...whole, startBytes: 0 }),
  );
}
