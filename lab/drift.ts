/** Makes disks drift from their image, as use does: a byte here and there in used blocks. */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { decodeManifest, type Manifest, placeOf } from '#protocol/manifest.ts';
import type { Lab } from './lab.ts';

/** The manifest of an image version, from the store of the lab's daemon. */
export function manifestIn(lab: Lab, manifestId: string): Manifest {
  const path = join(lab.folder.path, 'data/store/manifests', `${manifestId}.fcm`);
  return decodeManifest(readFileSync(path), manifestId);
}

/** Changes one used byte in each of these chunks. Doing it twice changes it back. */
export function driftDisk(path: string, manifest: Manifest, ordinals: readonly number[]): void {
  const disk = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  for (const ordinal of ordinals) {
    const { volume, volumeOffset, plainBytes } = placeOf(manifest, ordinal);
    const at = volume.startBytes + firstUsedByte(volume.extents, volumeOffset, volumeOffset + plainBytes);
    readSync(disk, byte, 0, 1, at);
    byte[0]! ^= 0xff;
    writeSync(disk, byte, 0, 1, at);
  }
  closeSync(disk);
}

/** A share of the image's chunks, spread evenly; another `first`, other chunks. */
export function spreadChunks(manifest: Manifest, share: number, first = 0): number[] {
  const count = Math.max(1, Math.round(manifest.chunkCount * share));
  const step = manifest.chunkCount / count;
  return Array.from({ length: count }, (_, i) => (first + Math.floor(i * step)) % manifest.chunkCount);
}

/** Offset in the volume of the first byte of an extent within [from, to): a chunk that exists has one. */
function firstUsedByte(extents: ArrayLike<number>, from: number, to: number): number {
  for (let i = 0; i < extents.length; i += 2) {
    const at = Math.max(from, extents[i]!);
    if (at < Math.min(to, extents[i + 1]!)) return at;
  }
  throw new RangeError(`nothing is used between ${from} and ${to}`);
}
