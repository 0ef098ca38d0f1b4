/** What a light host says that it is made of: a file that its agent reads instead of /sys, and its disk files. */
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import type { LabHost } from './topology.ts';

/** Makes the file, or keeps what is in it; sparse, so that it costs only what is written. */
export function makeDiskFile(path: string, sizeBytes: number): void {
  closeSync(openSync(path, 'a'));
  truncateSync(path, sizeBytes);
}

/** The hardware of a new machine, with the one disk whose file is at `diskPath`. */
export function writeLightHardware(file: string, host: LabHost, diskPath: string): void {
  const disk = { path: diskPath, model: 'Light disk', serial: host.diskSerial, sectorBytes: 512, transport: 'sata' };
  const hardware = {
    systemUuid: host.systemUuid,
    manufacturer: 'LabCo',
    product: 'Light host',
    serial: host.diskSerial.replace('LAB', 'LH'),
    disks: [{ ...disk, removable: false, readOnly: false }],
  };
  writeFileSync(file, JSON.stringify(hardware, null, 2));
}

/** Puts one more disk, as the first one but for its file, into the hardware of a machine. Returns its serial number. */
export function addLightDisk(file: string, host: LabHost, diskPath: string): string {
  const hardware = JSON.parse(readFileSync(file, 'utf8')) as { disks: object[] };
  const serial = `${host.diskSerial}-${hardware.disks.length + 1}`;
  const disks = [...hardware.disks, { ...hardware.disks[0], path: diskPath, serial }];
  writeFileSync(file, JSON.stringify({ ...hardware, disks }, null, 2));
  return serial;
}
