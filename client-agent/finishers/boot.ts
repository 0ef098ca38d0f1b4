/**
 * Boot repair: what the boot loaders on the disk know of places is put right where volumes have moved; a UEFI system gets its fallback
 * path and its boot entry; the files that Windows boots by are looked for. What was done is said line by line.
 */
import type { Disk } from '#protocol/disk.ts';
import type { Volume } from '#protocol/manifest.ts';
import { DirectFile } from '../disk/direct-file.ts';
import { repairEsp } from './efi-system.ts';
import { hasExtlinux, moveExtlinux } from './extlinux.ts';
import type { Finisher, FinisherContext } from './finisher.ts';
import { GRUB_SECTOR_BYTES, moveGrub, type SectorFile } from './grub-bios.ts';
import { findIgnoringCase } from './target-system.ts';

/** GPT type of an EFI system partition; ef on an MBR disk. */
const ESP_TYPES = new Set(['C12A7328-F81F-11D2-BA4B-00A0C93EC93B', 'EF']);

/** GPT type of a BIOS boot partition, which has nothing but GRUB's core. */
const BIOS_BOOT_TYPE = '21686148-6449-6E6F-744E-656564454649';

/** Throws an Error that names all that is not as it must be, when everything that can be done is done. */
export const repairBoot: Finisher = async (context) => {
  const { disk, say } = context;
  const problems: string[] = [];
  if (disk.sectorBytes === GRUB_SECTOR_BYTES) for (const line of moveLoaders(context)) say(line);
  const esp = espOf(context);
  if (esp !== undefined) problems.push(...(await repairEsp(esp, context)));
  problems.push(...(await checkWindows(context, esp !== undefined)));
  for (const problem of problems) say(problem);
  if (problems.length > 0) throw new Error(problems.join('; '));
};

/** Loaders that name sectors of the disk: GRUB and EXTLINUX for BIOS. */
function moveLoaders({ disk, manifest, changes }: FinisherContext): string[] {
  const file = DirectFile.open(disk.path, 'write');
  try {
    const sectors = sectorsOf(file, disk.sizeBytes);
    const records = manifest.volumes
      .filter(({ kind }) => kind === 'partition')
      .map((volume) => ({ sector: volume.startBytes / GRUB_SECTOR_BYTES, name: nameOf(volume) }));
    const homes = manifest.head.layout.partitions
      .filter(({ type }) => type.toUpperCase() === BIOS_BOOT_TYPE)
      .map(({ startSector }) => startSector);
    const said = moveGrub(sectors, [{ sector: 0, name: 'the boot record' }, ...records], changes, homes);
    for (const change of changes) {
      const sector = change.startBytes / GRUB_SECTOR_BYTES;
      const boot = sectors.read(sector);
      if (!hasExtlinux(boot)) continue;
      const moved = moveExtlinux(boot, change);
      if (moved === undefined) continue;
      sectors.write(sector, moved);
      said.push(`EXTLINUX in partition ${change.partition ?? 'none'}: it begins at sector ${sector} now`);
    }
    file.sync();
    return said;
  } finally {
    file.close();
  }
}

function sectorsOf(file: DirectFile, sizeBytes: number): SectorFile {
  return {
    // On a smaller disk a number may lie behind its end: nothing is there.
    read: (sector) => {
      const bytes = Buffer.alloc(GRUB_SECTOR_BYTES);
      if ((sector + 1) * GRUB_SECTOR_BYTES <= sizeBytes)
        file.readAt(bytes, sector * GRUB_SECTOR_BYTES, GRUB_SECTOR_BYTES);
      return bytes;
    },
    write: (sector, bytes) => file.writeAt(bytes, sector * GRUB_SECTOR_BYTES, GRUB_SECTOR_BYTES),
  };
}

function nameOf({ partition }: Volume): string {
  return partition === undefined ? 'the disk' : `partition ${partition}`;
}

/** The EFI system partition of the disk. */
function espOf({ manifest }: Pick<FinisherContext, 'manifest'>): Volume | undefined {
  const { partitions } = manifest.head.layout;
  const found = partitions.find(({ type }) => ESP_TYPES.has(type.toUpperCase()));
  return manifest.volumes.find(({ partition, filesystem }) => partition === found?.number && filesystem === 'vfat');
}

/** A Windows that boots by BIOS has its loader and its BCD on an NTFS; with UEFI both are on the ESP, and looked for there. */
async function checkWindows({ system, disk }: FinisherContext & { disk: Disk }, hasEsp: boolean): Promise<string[]> {
  if (system?.kind !== 'windows' || hasEsp) return [];
  const missing: string[] = [];
  for (const path of [['bootmgr'], ['Boot', 'BCD']]) {
    if ((await findIgnoringCase(system.root, path)) === undefined) missing.push(path.join('\\'));
  }
  // A "System Reserved" partition of its own has them then: it was laid like every other.
  return missing.length === 0 ? [] : [`${disk.path}: Windows has no ${missing.join(' and no ')} beside it`];
}
