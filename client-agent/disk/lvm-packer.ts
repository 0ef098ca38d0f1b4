/**
 * Writes the metadata of a physical volume anew for a smaller place, in a file that holds nothing but that metadata: volumes lie where
 * they are told to, in one piece each. lvm(8) checks and writes what is made here; ids stay, nothing is activated.
 */
import { truncate, writeFile } from 'node:fs/promises';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { PackJob } from '#protocol/volume-job.ts';
import { DirectFile } from './direct-file.ts';
import { withLoopDevice } from './loop-device.ts';
import { readGroup, readPhysicalVolume, sectionsOf } from './lvm-metadata.ts';
import { lvm } from './lvm-program.ts';
import { type ConfigSection, type ConfigValue, formatConfig, isSection, sectionOf } from './lvm-text.ts';

/** The file is as long as before afterwards. Throws SHRINK_FAILED, PROGRAM_MISSING. */
export async function packPhysicalVolume(file: string, headBytes: number, job: PackJob): Promise<void> {
  const failed = (reason: string, cause?: unknown) =>
    knownError('SHRINK_FAILED', { filesystem: 'LVM', reason }, { cause });
  const read = (offset: number, length: number) => DirectFile.readSpan(file, offset, length);
  const text = readGroup(read, headBytes);
  if (typeof text === 'string') throw failed(text);
  const sections = sectionsOf(text);
  if (typeof sections === 'string') throw failed(sections);
  const { group } = sections;
  // The rest is a hole: LVM reads and writes nothing there.
  await truncate(file, job.sizeBytes);
  try {
    await withLoopDevice(
      { path: file, startBytes: 0, sizeBytes: job.sizeBytes, sectorBytes: job.sectorBytes, mode: 'write' },
      async (device) => {
        if (job.volumes !== undefined) {
          const packed = formatConfig(packGroup(text.config, sections, job.volumes, job.extents));
          if (packed === undefined) throw failed('its metadata cannot be written again');
          await writeFile(`${file}.group`, `${packed}\n`);
          await lvm(device, 'vgcfgrestore', '--file', `${file}.group`, group);
        }
        // The label knows the size of the device too.
        await lvm(device, 'pvresize', '--yes', device);
        await lvm(device, 'vgck', group);
      },
    );
    const made = readPhysicalVolume(read, job.sizeBytes);
    if (typeof made === 'string') throw failed(made);
    if (made.extents !== job.extents) throw failed(`lvm made ${made.extents} extents of it, not ${job.extents}`);
    await truncate(file, headBytes);
  } catch (error) {
    if (error instanceof KnownError && error.code === 'PROGRAM_FAILED') throw failed(error.message, error);
    throw error;
  }
}

/** The tree of a group whose volumes lie at these extents of its one physical volume, which has so many. Pure. */
function packGroup(
  config: ConfigSection,
  { group, content, pvName, pv }: Exclude<ReturnType<typeof sectionsOf>, string>,
  volumes: NonNullable<PackJob['volumes']>,
  extents: number,
): ConfigSection {
  const logical = Object.entries(sectionOf(content, 'logical_volumes')).map(([name, lv]): [string, ConfigValue] => {
    const place = volumes.find((one) => one.name === name);
    if (place === undefined || !isSection(lv)) return [name, lv];
    const kept = Object.entries(lv).filter(([, value]) => !isSection(value));
    const segment = {
      ...{ start_extent: 0, extent_count: place.extents, type: 'striped', stripe_count: 1 },
      stripes: [pvName, place.startExtent],
    };
    return [name, { ...Object.fromEntries(kept), segment_count: 1, segment1: segment }];
  });
  return {
    ...config,
    [group]: {
      ...content,
      physical_volumes: { [pvName]: { ...pv, pe_count: extents } },
      logical_volumes: Object.fromEntries(logical),
    },
  };
}
