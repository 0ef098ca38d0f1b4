/** Which chunks a pass carries, and whether a pass is worth it. Pure. */
import { HoleSet } from '#protocol/holes.ts';

/**
 * Another pass has to save so many stored bytes against serving every hole over HTTP: gathering the receivers again takes
 * about as long as a gigabit line needs for this.
 */
export const PASS_WORTH_BYTES = 16 * 1024 * 1024;

/** Every chunk that any of the hosts lacks: the first pass. */
export function unionOf(holes: readonly HoleSet[], chunkCount: number): HoleSet {
  const union = HoleSet.none(chunkCount);
  for (const one of holes) union.addAll(one);
  return union;
}

/** The chunks that at least two of the hosts lack: a later pass. What one host alone lacks it fetches itself. */
export function sharedOf(holes: readonly HoleSet[], chunkCount: number): HoleSet {
  const once = new Uint8Array(4 + Math.ceil(chunkCount / 8));
  const twice = new Uint8Array(once.length);
  for (const one of holes) {
    const bits = one.encode();
    for (let i = 4; i < bits.length; i++) {
      twice[i]! |= once[i]! & bits[i]!;
      once[i]! |= bits[i]!;
    }
  }
  const wire = Buffer.from(twice.buffer);
  wire.writeUInt32LE(chunkCount, 0);
  return HoleSet.decode(wire, chunkCount)!;
}

/** True when casting the union once saves enough against sending each host its own holes. */
export function isPassWorth(holes: readonly HoleSet[], chunkCount: number, bytesPerChunk: number): boolean {
  if (holes.length < 2) return false;
  const sum = holes.reduce((total, one) => total + one.count, 0);
  return (sum - unionOf(holes, chunkCount).count) * bytesPerChunk >= PASS_WORTH_BYTES;
}
