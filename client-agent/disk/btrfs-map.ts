/**
 * What a Btrfs on one device uses, by its own extent tree.
 *
 * partclone.btrfs (0.3.23, 0.3.36) is not asked: it walks the trees of files, takes every block that it comes by at the first of its two
 * places, and passes over nodes above the leaves. A Debian whose root tree had such a node came back without it, and could not be read.
 * The extent tree names every extent once, for data and for the blocks of all trees, and the superblock has the sum to prove it by.
 *
 * Offsets in bytes, numbers little-endian (Btrfs on-disk format; Linux include/uapi/linux/btrfs_tree.h):
 * | what | offset | bytes | field |
 * |---|---:|---:|---|
 * | superblock, at 65536 | 64 | 8 | `_BHRfS_M` |
 * | | 80, 88 | 8 | logical address of the root tree, of the chunk tree |
 * | | 120, 148 | 8, 4 | bytes used; bytes of a node |
 * | | 160, 811 | 4, 2048 | bytes of the first chunks; a key and a chunk for each |
 * | | 188, 201, 209 | 8 | incompatible features; id of this device, its bytes |
 * | node | 48, 96, 100 | 8, 4, 1 | its logical address; number of entries; level, 0: leaf |
 * | entry of a node, at 101 + 33 i | 17 | 8 | logical address of the node below |
 * | entry of a leaf, at 101 + 25 i | 17, 21 | 4, 4 | where its item begins, from byte 101; bytes of the item |
 * | key, at the start of both | 0, 8, 9 | 8, 1, 8 | object, type, offset |
 * | chunk | 0, 24, 44 | 8, 8, 2 | bytes; type; number of stripes |
 * | its stripe, at 48 + 32 i | 0, 8 | 8, 8 | device; offset on it |
 * | item of a root | 176 | 8 | logical address of its tree |
 */
import { type Extents, normalizeExtents } from '#protocol/chunk.ts';
import type { ReadBytes } from './lvm-metadata.ts';

const SUPERBLOCK_AT = 65536;
const SUPERBLOCK_BYTES = 4096;
/** Copies of the superblock, where the device reaches so far. */
const SUPERBLOCK_COPIES: readonly number[] = [SUPERBLOCK_AT, 64 * 1024 ** 2, 256 * 1024 ** 3];
/** Features that say nothing else of where things lie: mixed_backref … raid1c34, simple_quota. Not zoned, extent_tree_v2, raid_stripe_tree. */
const KNOWN_FEATURES = 0x1_0fffn;
const EXTENT_TREE = 2n;
const CHUNK_TREE_OBJECT = 256n;
const keyTypes = { root: 132, extent: 168, metadata: 169, chunk: 228 } as const;
/** RAID0, RAID10, RAID5, RAID6: a chunk does not lie in one piece, unless it has one stripe. */
const STRIPED = 0x8n | 0x40n | 0x80n | 0x100n;
const KEY_BYTES = 17;
const HEADER_BYTES = 101;
const MAX_LEVEL = 8;
/** Others get their turn after so many nodes: about 10 ms. */
const NODES_A_TURN = 100;

/** As long at each of its places. In bytes: its logical address, and offsets on the device. */
interface Chunk {
  readonly logical: number;
  readonly sizeBytes: number;
  readonly places: readonly number[];
}

interface Key {
  readonly object: bigint;
  readonly type: number;
  readonly offset: bigint;
}

/** Says why a filesystem cannot be mapped. */
class Unreadable extends Error {}

/**
 * Used bytes of a volume, at every place where they lie, or why they cannot be told. Only reads; needs that it is not mounted, without a log
 * (filesystem-state.ts). Throws what `read` throws, AbortError.
 */
export async function mapBtrfs(read: ReadBytes, sizeBytes: number, signal?: AbortSignal): Promise<Extents | string> {
  try {
    return await new BtrfsTrees(read, signal).usedBytes(sizeBytes);
  } catch (error) {
    // A number beyond its buffer: what is there is not what it says to be.
    if (error instanceof Unreadable || error instanceof RangeError) return error.message;
    throw error;
  }
}

class BtrfsTrees {
  readonly #read: ReadBytes;
  readonly #signal: AbortSignal | undefined;
  readonly #superblock: Buffer;
  readonly #nodeBytes: number;
  /** In the order of their logical addresses. */
  #chunks: Chunk[];
  #nodes = 0;

  constructor(read: ReadBytes, signal: AbortSignal | undefined) {
    this.#read = read;
    this.#signal = signal;
    const superblock = read(SUPERBLOCK_AT, SUPERBLOCK_BYTES);
    this.#superblock = superblock;
    if (superblock.toString('latin1', 64, 72) !== '_BHRfS_M') throw new Unreadable('it has no superblock');
    const unknown = superblock.readBigUInt64LE(188) & ~KNOWN_FEATURES;
    if (unknown !== 0n) throw new Unreadable(`it has features that are not known here (0x${unknown.toString(16)})`);
    this.#nodeBytes = superblock.readUInt32LE(148);
    if (this.#nodeBytes < 4096 || this.#nodeBytes > 65536)
      throw new Unreadable(`its nodes have ${this.#nodeBytes} bytes`);
    this.#chunks = this.#firstChunks();
  }

  async usedBytes(sizeBytes: number): Promise<Extents> {
    const deviceBytes = this.#numberAt(209);
    if (deviceBytes > sizeBytes) throw new Unreadable('it is larger than its place on the disk');
    const chunks: Chunk[] = [];
    await this.#walk(this.#numberAt(88), (key, item) => {
      if (key.object === CHUNK_TREE_OBJECT && key.type === keyTypes.chunk) chunks.push(this.#chunkOf(key, item));
    });
    this.#chunks = chunks;
    const runs = SUPERBLOCK_COPIES.map((at): [number, number] => [at, at + SUPERBLOCK_BYTES]);
    let sum = 0;
    await this.#walk(await this.#extentTree(), ({ object, type, offset }) => {
      if (type !== keyTypes.extent && type !== keyTypes.metadata) return;
      const bytes = type === keyTypes.metadata ? this.#nodeBytes : Number(offset);
      sum += bytes;
      const places = this.#placesOf(Number(object), bytes);
      if (places.some((place) => place + bytes > sizeBytes))
        throw new Unreadable('it is larger than its place on the disk');
      addRuns(runs, places, bytes);
    });
    const used = this.#numberAt(120);
    if (sum !== used) throw new Unreadable(`its extents have ${sum} bytes, its superblock says ${used}`);
    return normalizeExtents(runs, sizeBytes);
  }

  /** Logical address of its root. */
  async #extentTree(): Promise<number> {
    let found: number | undefined;
    await this.#walk(this.#numberAt(80), (key, item) => {
      if (key.object === EXTENT_TREE && key.type === keyTypes.root) found = Number(item.readBigUInt64LE(176));
    });
    if (found === undefined) throw new Unreadable('it has no extent tree');
    return found;
  }

  #numberAt(offset: number): number {
    return Number(this.#superblock.readBigUInt64LE(offset));
  }

  /** Those in which the chunk tree lies. */
  #firstChunks(): Chunk[] {
    const array = this.#superblock.subarray(811, 811 + this.#superblock.readUInt32LE(160));
    const chunks: Chunk[] = [];
    for (let at = 0; at < array.length; ) {
      const item = array.subarray(at + KEY_BYTES);
      chunks.push(this.#chunkOf(keyAt(array, at), item));
      at += KEY_BYTES + 48 + 32 * item.readUInt16LE(44);
    }
    return chunks;
  }

  #chunkOf(key: Key, item: Buffer): Chunk {
    const stripes = item.readUInt16LE(44);
    const isStriped = (item.readBigUInt64LE(24) & STRIPED) !== 0n;
    if (stripes === 0 || (isStriped && stripes > 1)) throw new Unreadable('its chunks lie in stripes');
    const places: number[] = [];
    for (let at = 48; places.length < stripes; at += 32) {
      if (item.readBigUInt64LE(at) !== this.#superblock.readBigUInt64LE(201))
        throw new Unreadable('it spans several devices');
      places.push(Number(item.readBigUInt64LE(at + 8)));
    }
    return { logical: Number(key.offset), sizeBytes: Number(item.readBigUInt64LE(0)), places };
  }

  /** Offsets on the device of an extent. */
  #placesOf(logical: number, bytes: number): number[] {
    const chunk = this.#chunkAt(logical);
    if (chunk === undefined || logical + bytes > chunk.logical + chunk.sizeBytes) {
      throw new Unreadable(`nothing says where its bytes at ${logical} lie`);
    }
    return chunk.places.map((place) => place + logical - chunk.logical);
  }

  #chunkAt(logical: number): Chunk | undefined {
    let [low, high] = [0, this.#chunks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#chunks[middle]!.logical > logical) high = middle;
      else low = middle + 1;
    }
    return this.#chunks[low - 1];
  }

  /** Every item of a tree, in the order of the keys. */
  async #walk(logical: number, visit: (key: Key, item: Buffer) => void, level?: number): Promise<void> {
    if (++this.#nodes % NODES_A_TURN === 0) await new Promise(setImmediate);
    this.#signal?.throwIfAborted();
    const node = this.#nodeAt(logical, level);
    const [count, here] = [node.readUInt32LE(96), node.readUInt8(100)];
    for (let i = 0; i < count; i++) {
      if (here > 0) {
        await this.#walk(Number(node.readBigUInt64LE(HEADER_BYTES + 33 * i + KEY_BYTES)), visit, here - 1);
        continue;
      }
      const at = HEADER_BYTES + 25 * i;
      const start = HEADER_BYTES + node.readUInt32LE(at + KEY_BYTES);
      visit(keyAt(node, at), node.subarray(start, start + node.readUInt32LE(at + KEY_BYTES + 4)));
    }
  }

  /** From the first of its places where it is itself. */
  #nodeAt(logical: number, level: number | undefined): Buffer {
    for (const place of this.#placesOf(logical, this.#nodeBytes)) {
      const node = this.#read(place, this.#nodeBytes);
      const here = node.readUInt8(100);
      if (Number(node.readBigUInt64LE(48)) === logical && here < MAX_LEVEL && here === (level ?? here)) return node;
    }
    throw new Unreadable(`its node at ${logical} is damaged`);
  }
}

function keyAt(bytes: Buffer, at: number): Key {
  return { object: bytes.readBigUInt64LE(at), type: bytes.readUInt8(at + 8), offset: bytes.readBigUInt64LE(at + 9) };
}

/** What follows on the run before makes it longer: extents come in the order of their addresses, most of them side by side. */
function addRuns(runs: [number, number][], places: readonly number[], bytes: number): void {
  const before = runs.slice(-places.length);
  places.forEach((place, i) => {
    if (before[i]?.[1] === place) before[i][1] += bytes;
    else runs.push([place, place + bytes]);
  });
}
