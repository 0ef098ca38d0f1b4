/** A volume of an image as a block device, as large as it is on this disk by now: where it has grown, its place of the manifest is too small. */
import type { Disk } from '#protocol/disk.ts';
import type { FitChange } from '#protocol/fit.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import { withLinearDevice } from './linear-device.ts';
import { withLoopDevice } from './loop-device.ts';
import { runsOnDisk } from './physical-volume.ts';

interface Span {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/**
 * Runs `use` with the device, which can be written to and is gone afterwards. `volume` is placed on this disk and in one piece,
 * `changes` are those of the fit. Throws PROGRAM_FAILED (no device-mapper, for a logical volume that was extended elsewhere).
 */
export async function withVolumeDevice<T>(
  disk: Pick<Disk, 'path' | 'sectorBytes'>,
  volume: Pick<VolumeHead, 'partition' | 'within' | 'startBytes' | 'sizeBytes'>,
  changes: readonly FitChange[],
  use: (device: string) => Promise<T>,
): Promise<T> {
  const spans = spansOf(disk, volume, changes);
  const { path, sectorBytes } = disk;
  if (spans.length > 1) return withLinearDevice(path, spans, 'write', use);
  return withLoopDevice({ path, ...spans[0]!, sectorBytes, mode: 'write' }, use);
}

function spansOf(
  disk: Pick<Disk, 'path' | 'sectorBytes'>,
  { partition, within, startBytes, sizeBytes }: Pick<VolumeHead, 'partition' | 'within' | 'startBytes' | 'sizeBytes'>,
  changes: readonly FitChange[],
): readonly Span[] {
  const change = changes.find(
    (one) => one.partition === partition && (one.container !== undefined) === (within !== undefined),
  );
  if (change === undefined) return [{ startBytes, sizeBytes }];
  if (within === undefined) return [{ startBytes, sizeBytes: change.sizeBytes }];
  const isGrown = change.volumes?.some(({ name }) => name === within.name) === true;
  if (isGrown && within.kind === 'luks') return [change];
  return isGrown ? runsOnDisk(disk, change, within.name) : [{ startBytes, sizeBytes }];
}
