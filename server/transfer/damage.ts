/** Finds chunks in the store whose bytes are not what their id says: what a host can never get. */
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { CHUNK_ID_BYTES, chunkIdOf, MAX_CHUNK_BYTES } from '#protocol/chunk.ts';
import { HoleSet } from '#protocol/holes.ts';
import { readStoredHeader, STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import type { FramePlan } from './frame-source.ts';

const decompress = promisify(zstdDecompress);

/**
 * Reads, decompresses and hashes the first `most` chunks of the plan; returns the ordinals of the damaged and the missing.
 * Meant for the few chunks that a host lacks even after a repair; `image verify` checks them all.
 */
export async function findDamaged(plan: FramePlan, chunkCount: number, most = 256): Promise<HoleSet> {
  const damaged = HoleSet.none(chunkCount);
  for (const ordinal of plan.missing) damaged.add(ordinal);
  for (let i = 0; i < Math.min(plan.frames, most); i++) {
    if (!(await isGood(plan, i))) damaged.add(plan.ordinals[i]!);
  }
  return damaged;
}

async function isGood(plan: FramePlan, i: number): Promise<boolean> {
  const bytes = Buffer.allocUnsafe(STORED_HEADER_BYTES + plan.storedBytes[i]!);
  try {
    await plan.reader.readAt(plan.packIds[i]!, bytes, plan.offsets[i]!, bytes.length);
    const stored = readStoredHeader(bytes);
    if (stored === undefined || stored.storedBytes !== plan.storedBytes[i]) return false;
    const plain = await decompress(bytes.subarray(STORED_HEADER_BYTES), { maxOutputLength: MAX_CHUNK_BYTES });
    return chunkIdOf(plain).equals(plan.ids.subarray(i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES));
  } catch {
    // Whatever the reason: these bytes cannot be had.
    return false;
  }
}
