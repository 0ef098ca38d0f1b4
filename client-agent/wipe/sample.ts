/** Samples of a disk before and after it is wiped. Reading all of it again would take as long as writing it. */
import { setImmediate as breathe } from 'node:timers/promises';
import { blake3 } from '@napi-rs/blake-hash';
import type { Disk } from '#protocol/disk.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { allocateAligned, DirectFile } from '../disk/direct-file.ts';

export const SAMPLE_BYTES = 1024 * 1024;
/** Samples beside the first and the last block. With 1 % of a disk left as it was, all of 256 miss it in 8 of 100 wipes. */
const RANDOM_SAMPLES = 256;
const ALIGN = 4096;

/** What one block held: nothing but this byte, or something else with this hash. */
export type Sample = { readonly only: number } | { readonly hash: string };

/** Offsets in bytes, in order: the first block, the last, and others at random; all blocks of a small disk. Pure but for `random`, 0 to 1. */
export function sampleOffsets(diskBytes: number, random: () => number): number[] {
  // Aligned and up to the last byte of the disk: a little shorter than the others.
  const last = Math.max(0, Math.ceil((diskBytes - SAMPLE_BYTES) / ALIGN) * ALIGN);
  const offsets = new Set([0, last]);
  if (diskBytes <= SAMPLE_BYTES * RANDOM_SAMPLES) {
    for (let at = 0; at < last; at += SAMPLE_BYTES) offsets.add(at);
  } else {
    while (offsets.size < RANDOM_SAMPLES + 2) offsets.add(Math.floor((random() * last) / ALIGN) * ALIGN);
  }
  return [...offsets].sort((a, b) => a - b);
}

/** Reads around the page cache. Throws DISK_READ_FAILED. */
export async function readSamples(disk: Disk, offsets: readonly number[]): Promise<Sample[]> {
  const file = DirectFile.open(disk.path, 'read');
  const buffer = allocateAligned(SAMPLE_BYTES);
  try {
    const samples: Sample[] = [];
    for (const offset of offsets) {
      const bytes = Math.min(SAMPLE_BYTES, disk.sizeBytes - offset);
      file.readAt(buffer, offset, bytes);
      const block = buffer.subarray(0, bytes);
      const only = block[0]!;
      // All bytes are the first one when each equals the one before it.
      const isUniform = block.subarray(1).equals(block.subarray(0, -1));
      samples.push(isUniform ? { only } : { hash: blake3(block).toString('hex') });
      // The heartbeats of the same thread.
      await breathe();
    }
    return samples;
  } finally {
    file.close();
  }
}

/**
 * Zeros must read as zeros. What was discarded may read as any one byte. What has erased itself may read as anything, but not as what
 * it was. `bad` are indices of samples. Pure.
 */
export function judgeSamples(
  method: WipeResult['method'],
  before: readonly Sample[],
  after: readonly Sample[],
): { empty: number; bad: number[] } {
  const bad: number[] = [];
  let empty = 0;
  after.forEach((sample, i) => {
    const was = before[i]!;
    if ('only' in sample) {
      if (method === 'zeros' && sample.only !== 0) bad.push(i);
      else empty++;
    } else if (method !== 'secure-erase' || ('hash' in was && was.hash === sample.hash)) bad.push(i);
  });
  return { empty, bad };
}
