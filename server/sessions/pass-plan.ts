/** Which chunks a pass carries; pass-cost.ts says whether a pass is worth it. Pure. */
import { HoleSet } from '#protocol/holes.ts';

/** What a pass carries for hosts that lack this. */
export function chunksToCast(pass: number, holes: readonly HoleSet[], chunkCount: number): HoleSet {
  return isImageCast(pass, holes) ? unionOf(holes, chunkCount) : sharedOf(holes, chunkCount);
}

/** A first pass is to a host that has nothing: the image itself is cast, and nothing is weighed. */
export function isImageCast(pass: number, holes: readonly HoleSet[]): boolean {
  return pass === 1 && holes.some((one) => one.count === one.chunkCount && one.count > 0);
}

/** Every chunk that any of the hosts lacks. */
export function unionOf(holes: readonly HoleSet[], chunkCount: number): HoleSet {
  const union = HoleSet.none(chunkCount);
  for (const one of holes) union.addAll(one);
  return union;
}

/** The chunks that at least two of the hosts lack. What one host alone lacks it fetches itself. */
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
