/** The disk that an order means, among the disks that are there now. */
import { type Disk, type DiskIdentity, describeDisk, isSameDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';

/**
 * The one disk with this identity. Throws DISK_CHANGED, or DISK_AMBIGUOUS when two cannot be told apart.
 * `{host}` stays open in the error: agent-loop.ts fills it in when it reports.
 */
export function findDisk(disks: readonly Disk[], wanted: DiskIdentity): Disk {
  const same = disks.filter((disk) => isSameDisk(disk, wanted));
  const described = disks.map((disk) => `${describeDisk(disk)} at ${disk.path}`).join('; ') || 'none';
  if (same.length > 1) throw knownError('DISK_AMBIGUOUS', { rule: describeDisk(wanted), disks: described });
  if (same[0] === undefined) throw knownError('DISK_CHANGED', { expected: describeDisk(wanted), disks: described });
  return same[0];
}
