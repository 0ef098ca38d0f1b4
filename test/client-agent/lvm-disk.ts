/** Disks with a physical volume of LVM, made without device-mapper: metadata by lvm(8), filesystems in files that are copied in. */
import { rmSync } from 'node:fs';
import { withLoopDevice } from '#agent/disk/loop-device.ts';
import { lvm } from '#agent/disk/lvm-program.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from './filesystems.ts';
import { writeInto } from './test-disk.ts';

const MiB = 1024 * 1024;
/** Where the partition begins, and how large LVM's own metadata is by default. */
export const LVM_START = MiB;
export const LVM_HEAD = MiB;
export const LVM_GROUP = 'lab';

/** A piece of a volume; the same name again extends it, so that it lies in pieces. */
type Piece = readonly [name: string, mebibytes: number];

/** A GPT disk with one partition for LVM, all but its last MiB; volumes follow each other in the order given. */
export async function makeLvmDisk(path: string, diskMiB: number, pieces: readonly Piece[]): Promise<void> {
  makeEmptyFile(path, diskMiB * MiB);
  const sectors = (diskMiB - 2) * 2048;
  const table = `label: gpt\n\nstart=${LVM_START / 512}, size=${sectors}, type=lvm\n`;
  await run(['sfdisk', '--quiet', path], { input: table });
  await onLvm(path, (diskMiB - 2) * MiB, async (device) => {
    await lvm(device, 'pvcreate', device);
    await lvm(device, 'vgcreate', LVM_GROUP, device);
    const made = new Set<string>();
    for (const [name, size] of pieces) {
      const volume = `${LVM_GROUP}/${name}`;
      if (made.has(name)) await lvm(device, 'lvextend', '--size', `+${size}m`, volume);
      else await lvm(device, 'lvcreate', '-an', '-Zn', '-Wn', '--size', `${size}m`, '--name', name, LVM_GROUP);
      made.add(name);
    }
  });
}

/** Runs `use` with a device over the partition of such a disk. */
export function onLvm<T>(path: string, sizeBytes: number, use: (device: string) => Promise<T>): Promise<T> {
  return withLoopDevice({ path, startBytes: LVM_START, sizeBytes, sectorBytes: 512, mode: 'write' }, use);
}

/** `at` is in MiB from the first extent. */
export async function fillVolume(
  path: string,
  at: number,
  mebibytes: number,
  make: (image: string) => Promise<unknown>,
): Promise<void> {
  const image = `${path}.volume`;
  makeEmptyFile(image, mebibytes * MiB);
  await make(image);
  writeInto(path, LVM_START + LVM_HEAD + at * MiB, image);
  rmSync(image);
}

/** Size of each volume and its pieces on the disk, both in extents of 4 MiB, as lvs(8) sees them. Fails when vgck(8) does. */
export async function readVolumes(path: string, sizeBytes: number): Promise<Record<string, [number, string]>> {
  return onLvm(path, sizeBytes, async (device) => {
    await lvm(device, 'vgck', LVM_GROUP);
    const options = ['--noheadings', '--units', 'm', '--nosuffix', '--segments', '-o', 'lv_name,lv_size,seg_pe_ranges'];
    const { stdout } = await lvm(device, 'lvs', ...options, LVM_GROUP);
    const found: Record<string, [number, string]> = {};
    for (const [name, size, range] of stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/))) {
      const pieces = [found[name!]?.[1], range!.replace(`${device}:`, '')].filter(Boolean).join(' ');
      found[name!] = [Number(size) / 4, pieces];
    }
    return found;
  });
}
