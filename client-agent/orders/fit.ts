/** Whether an image fits a disk, and what a deployment onto one of another size does besides laying chunks: it checks the fit of the order, and finishes it. */
import type { DeployOrder } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { changesOf, type FitChange, fitTo } from '#protocol/fit.ts';
import { leastDiskBytes } from '#protocol/layout.ts';
import { canonicalJson, type Manifest, type ManifestHead } from '#protocol/manifest.ts';
import type { DeployResult } from '#protocol/task-result.ts';
import { growFilesystem } from '../disk/filesystem-grower.ts';
import { moveHiddenSectors } from '../disk/hidden-sectors.ts';
import { growPhysicalVolume } from '../disk/physical-volume.ts';

/** Throws DISK_SECTOR_SIZE, DISK_TOO_SMALL. */
export function checkFit(disk: Disk, manifest: Manifest): void {
  const { layout } = manifest.head;
  if (layout.sectorBytes !== disk.sectorBytes) {
    const values = { disk: disk.path, have: disk.sectorBytes, need: layout.sectorBytes };
    throw knownError('DISK_SECTOR_SIZE', values);
  }
  const ends = manifest.volumes.map((volume) => volume.startBytes + volume.sizeBytes);
  const needBytes = Math.max(leastDiskBytes(layout), ...ends);
  if (disk.sizeBytes < needBytes) {
    throw knownError('DISK_TOO_SMALL', { disk: disk.path, haveBytes: disk.sizeBytes, needBytes });
  }
}

/** What the fit of the order changes. Throws AGENT_FAILED when this agent computes another fit from the same manifest and disk. */
export function changesOfOrder(head: ManifestHead, disk: Disk, fit: DeployOrder['fit']): FitChange[] {
  if (fit === undefined) return [];
  const { grow, ...ordered } = fit;
  const own = fitTo(head, disk.sizeBytes, grow).fit;
  if (own === undefined || canonicalJson(own) !== canonicalJson(ordered)) {
    throw knownError('AGENT_FAILED', { reason: 'it would lay the partitions otherwise than the server plans' });
  }
  return changesOf(head.volumes, own);
}

/** Whether something but chunks, swap areas and the table will be written. */
export function isRewritten({ filesystem, fromBytes, sizeBytes, fromStartBytes, startBytes }: FitChange): boolean {
  return filesystem !== 'swap' && (sizeBytes > fromBytes || startBytes !== fromStartBytes);
}

/**
 * Fits what the volumes carry to where they lie now: boot sectors first, then each filesystem grows and is checked. May be
 * repeated. Throws GROW_FAILED.
 */
export async function finishFit(
  disk: Disk,
  changes: readonly FitChange[],
): Promise<NonNullable<DeployResult['fitted']>> {
  const fitted: NonNullable<DeployResult['fitted']> = [];
  for (const change of changes) {
    moveHiddenSectors(disk, change);
    const isGrown = change.sizeBytes > change.fromBytes && change.filesystem !== 'swap';
    if (isGrown) await growVolume(disk, change);
    fitted.push(isGrown ? { ...change, check: 'clean' } : change);
  }
  return fitted;
}

function growVolume(disk: Disk, change: FitChange): Promise<void> {
  const { filesystem = 'unknown', partition: where = 'none', volumes = [] } = change;
  // The disk is given as it lies there in the clear: of LUKS there is nothing to be seen.
  if (filesystem === 'crypto_LUKS')
    return growFilesystem(disk, { ...change, filesystem: volumes[0]!.filesystem, where });
  if (change.container !== undefined) return growPhysicalVolume(disk, change);
  return growFilesystem(disk, { ...change, filesystem, where });
}
