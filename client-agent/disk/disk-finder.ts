/** The disk that an order means, among the disks that are there now. */
import { type Disk, type DiskIdentity, describeDisk, isSameDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';

/**
 * The one disk with this identity. Throws DISK_CHANGED, or DISK_AMBIGUOUS when two cannot be told apart.
 * `{host}` stays open in the error: agent-loop.ts fills it in when it reports.
 */
export function findDisk(disks: readonly Disk[], wanted: DiskIdentity): Disk {
  return findDisks(disks, [wanted])[0]!;
}

/**
 * The disks with these identities, in their order. Disks that cannot be told apart (many USB docks give all of theirs one serial
 * number) are found when just as many are wanted. Throws as findDisk.
 */
export function findDisks(disks: readonly Disk[], wanted: readonly DiskIdentity[]): Disk[] {
  const described = disks.map((disk) => `${describeDisk(disk)} at ${disk.path}`).join('; ') || 'none';
  return wanted.map((identity, i) => {
    const same = disks.filter((disk) => isSameDisk(disk, identity));
    const alike = wanted.filter((other) => isSameDisk(other, identity)).length;
    if (same.length > alike) throw knownError('DISK_AMBIGUOUS', { rule: describeDisk(identity), disks: described });
    if (same.length < alike) throw knownError('DISK_CHANGED', { expected: describeDisk(identity), disks: described });
    return same[wanted.slice(0, i).filter((other) => isSameDisk(other, identity)).length]!;
  });
}
