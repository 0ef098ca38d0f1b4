/** Packets damaged in the ways in which parsers break: flipped bits, wrong lengths, cut ends, doubled and foreign parts. */

/** xorshift32: the same numbers for the same seed. */
export class Random {
  #state: number;

  /** `seed` is not 0. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to below − 1. */
  next(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % below;
  }
}

/** One to four faults in a copy of one of the seeds. */
export function mutate(seeds: readonly Buffer[], random: Random): Buffer {
  let bytes: Buffer = Buffer.from(seeds[random.next(seeds.length)]!);
  for (let faults = 1 + random.next(4); faults > 0; faults--) bytes = damage(bytes, seeds, random);
  return bytes;
}

function damage(bytes: Buffer, seeds: readonly Buffer[], random: Random): Buffer {
  const at = random.next(bytes.length + 1);
  switch (random.next(7)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random.next(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = [0, 1, 127, 128, 254, 255][random.next(6)]!;
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3: {
      const other = seeds[random.next(seeds.length)]!;
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.next(other.length))]).subarray(0, 1400);
    }
    case 4: {
      const end = Math.min(bytes.length, at + random.next(64));
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]).subarray(0, 1400);
    }
    case 5: {
      const noise = Buffer.from(Array.from({ length: random.next(32) }, () => random.next(256)));
      return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]).subarray(0, 1400);
    }
    default:
      if (at + 4 <= bytes.length) bytes.writeUInt32BE(random.next(2 ** 32), at);
      return bytes;
  }
}
