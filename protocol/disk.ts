/** A disk of a host as the agent sees it, and what identifies it in a plan. */
import { type Static, Type } from 'typebox';

export const diskSchema = Type.Object({
  /** Device node or, on a light host, the file that stands for the disk. */
  path: Type.String(),
  model: Type.String(),
  serial: Type.String(),
  wwn: Type.Optional(Type.String()),
  sizeBytes: Type.Integer({ minimum: 0 }),
  /** Logical sector size in bytes. */
  sectorBytes: Type.Integer({ minimum: 512 }),
  /** sata, nvme, scsi, usb, virtio, mmc …, as lsblk(8) prints TRAN. */
  transport: Type.String(),
  /** A hard disk; absent when the system does not say. */
  rotational: Type.Optional(Type.Boolean()),
  removable: Type.Boolean(),
  readOnly: Type.Boolean(),
  /** Something of it is in use by the running agent: mounted, swapped to, or held by device mapper or software RAID. */
  inUse: Type.Boolean(),
  /** inUse only: by what, `mounted at /mnt`, `held by md0`. */
  usedBy: Type.Optional(Type.String()),
  /** The whole disk is part of a RAID, by this signature of blkid(8): linux_raid_member, isw_raid_member … */
  raidMember: Type.Optional(Type.String()),
  /** What is on it now, for the plan: `gpt: 1 vfat 100 MiB "EFI", 2 ext4 …`; empty when it carries nothing known. */
  content: Type.String(),
});
export type Disk = Static<typeof diskSchema>;

/** Names one disk of one host for good: equal model, serial, wwn and size. The path may change from boot to boot. */
export const diskIdentitySchema = Type.Pick(diskSchema, ['model', 'serial', 'wwn', 'sizeBytes', 'sectorBytes']);
export type DiskIdentity = Static<typeof diskIdentitySchema>;

/** What names the disk for good, of all that is known of it. */
export function identityOf(disk: Disk): DiskIdentity {
  const { model, serial, wwn, sizeBytes, sectorBytes } = disk;
  return wwn === undefined ? { model, serial, sizeBytes, sectorBytes } : { model, serial, wwn, sizeBytes, sectorBytes };
}

export function isSameDisk(a: DiskIdentity, b: DiskIdentity): boolean {
  return (
    a.model === b.model &&
    a.serial === b.serial &&
    a.wwn === b.wwn &&
    a.sizeBytes === b.sizeBytes &&
    a.sectorBytes === b.sectorBytes
  );
}

/** One line for people: `Samsung 980 S64DNX0R (256.1 GB)`. */
export function describeDisk(disk: DiskIdentity): string {
  return `${disk.model || 'disk'} ${disk.serial || 'without serial'} (${(disk.sizeBytes / 1e9).toFixed(1)} GB)`;
}
