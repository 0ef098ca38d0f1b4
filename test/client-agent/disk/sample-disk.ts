/** A disk of the inventory. */
import type { Disk } from '#protocol/disk.ts';

export const sampleDisk: Disk = {
  path: '/dev/sda',
  model: 'Test disk',
  serial: 'T1',
  sizeBytes: 4 * 1024 * 1024,
  sectorBytes: 512,
  transport: 'sata',
  removable: false,
  readOnly: false,
  inUse: false,
  content: '',
};
