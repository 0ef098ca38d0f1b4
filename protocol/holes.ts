/**
 * The chunks of a manifest that a host lacks: a set of ordinals, one bit each.
 *
 * On the wire (docs/formats/holes.md): u32 chunk count n (little-endian), then ceil(n/8) bytes, bit `o & 7` of byte
 * `o >> 3` set when ordinal o is lacking; bits past n are zero.
 */
export class HoleSet {
  readonly chunkCount: number;
  #bits: Uint8Array;
  #count: number;

  private constructor(chunkCount: number, bits: Uint8Array, count: number) {
    this.chunkCount = chunkCount;
    this.#bits = bits;
    this.#count = count;
  }

  static none(chunkCount: number): HoleSet {
    return new HoleSet(chunkCount, new Uint8Array(Math.ceil(chunkCount / 8)), 0);
  }

  static all(chunkCount: number): HoleSet {
    const holes = HoleSet.none(chunkCount);
    holes.#bits.fill(0xff);
    if (chunkCount % 8 !== 0) holes.#bits[holes.#bits.length - 1] = 0xff >> (8 - (chunkCount % 8));
    holes.#count = chunkCount;
    return holes;
  }

  /** Reads the wire form; undefined when it is not valid or not for `chunkCount` chunks. */
  static decode(bytes: Buffer, chunkCount: number): HoleSet | undefined {
    if (bytes.length !== 4 + Math.ceil(chunkCount / 8) || bytes.readUInt32LE(0) !== chunkCount) return undefined;
    const bits = Uint8Array.from(bytes.subarray(4));
    if (chunkCount % 8 !== 0 && bits[bits.length - 1]! >> (chunkCount % 8) !== 0) return undefined;
    let count = 0;
    for (const byte of bits) count += bitCount[byte]!;
    return new HoleSet(chunkCount, bits, count);
  }

  encode(): Buffer {
    const out = Buffer.alloc(4 + this.#bits.length);
    out.writeUInt32LE(this.chunkCount, 0);
    out.set(this.#bits, 4);
    return out;
  }

  /** How many chunks are lacking. */
  get count(): number {
    return this.#count;
  }

  has(ordinal: number): boolean {
    return (this.#bits[ordinal >> 3]! & (1 << (ordinal & 7))) !== 0;
  }

  add(ordinal: number): void {
    if (ordinal < 0 || ordinal >= this.chunkCount) throw new RangeError(`no ordinal ${ordinal}`);
    if (this.has(ordinal)) return;
    this.#bits[ordinal >> 3]! |= 1 << (ordinal & 7);
    this.#count++;
  }

  delete(ordinal: number): void {
    if (!this.has(ordinal)) return;
    this.#bits[ordinal >> 3]! &= ~(1 << (ordinal & 7));
    this.#count--;
  }

  clone(): HoleSet {
    return new HoleSet(this.chunkCount, Uint8Array.from(this.#bits), this.#count);
  }

  /** Adds every hole of `other`, which must be for the same manifest. */
  addAll(other: HoleSet): void {
    if (other.chunkCount !== this.chunkCount) throw new RangeError('holes of different manifests');
    let count = 0;
    for (let i = 0; i < this.#bits.length; i++) {
      this.#bits[i]! |= other.#bits[i]!;
      count += bitCount[this.#bits[i]!]!;
    }
    this.#count = count;
  }

  /** The ordinals, ascending: disk order. */
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.#bits.length; i++) {
      const byte = this.#bits[i]!;
      if (byte === 0) continue;
      for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) yield i * 8 + bit;
    }
  }
}

const bitCount = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);
