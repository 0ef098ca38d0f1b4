/** How fast disks are taken to be when nobody has measured them. Pure. */
import type { Disk } from '#protocol/disk.ts';

export interface DiskSpeed {
  readonly readBytesPerSecond: number;
  readonly writeBytesPerSecond: number;
  /** Where the numbers come from, for people. */
  readonly because: string;
}

/** Reading and writing large runs, in MB/s: the slow end of what such disks do. */
const usual: Readonly<Record<'nvme' | 'ssd' | 'hdd' | 'other', readonly [read: number, write: number]>> = {
  nvme: [1200, 800],
  ssd: [400, 300],
  hdd: [120, 110],
  other: [200, 150],
};

/** `measured` is how fast the disk was read in an earlier session, in bytes a second. */
export function speedOf(disk: Pick<Disk, 'transport' | 'rotational'>, measured: number | undefined): DiskSpeed {
  const kind = kindOf(disk);
  const [read, write] = usual[kind].map((mb) => mb * 1e6) as [number, number];
  if (measured !== undefined) {
    // A disk that reads slowly writes no faster.
    const because = `it was read at ${Math.round(measured / 1e6)} MB/s before`;
    return { readBytesPerSecond: measured, writeBytesPerSecond: Math.min(write, measured), because };
  }
  const what = { nvme: 'an NVMe disk', ssd: 'an SSD', hdd: 'a hard disk', other: 'a disk of unknown kind' }[kind];
  return {
    readBytesPerSecond: read,
    writeBytesPerSecond: write,
    because: `${what} is taken to read ${read / 1e6} MB/s`,
  };
}

function kindOf({ transport, rotational }: Pick<Disk, 'transport' | 'rotational'>): keyof typeof usual {
  if (transport === 'nvme') return 'nvme';
  // A virtual disk calls itself rotational whatever it lies on.
  if (transport === 'virtio' || rotational === undefined) return 'other';
  return rotational ? 'hdd' : 'ssd';
}
