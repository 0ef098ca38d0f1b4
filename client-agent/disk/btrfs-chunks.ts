/**
 * What a Btrfs keeps twice. On one disk its metadata is DUP by default: each chunk lies at two places, and partclone maps the first. Without
 * the other one every file is there, but the copy that was to save it is not, and the first scrub finds as many faults as there are blocks.
 */
import { type Extents, normalizeExtents } from '#protocol/chunk.ts';
import { run } from '#system/run.ts';
import { uniteExtents } from './extent-set.ts';

/** Of a chunk: as long at each of its places, in bytes of the device. */
export interface BtrfsChunk {
  readonly sizeBytes: number;
  readonly places: readonly number[];
}

/** Copies of the superblock, where the device reaches so far (Btrfs on-disk format, "Superblock"). */
const SUPERBLOCK_COPIES = [64 * 1024 ** 2, 256 * 1024 ** 3] as const;
const SUPERBLOCK_BYTES = 4096;

/** The chunks of the Btrfs on `device`, which is one of one device. Throws PROGRAM_MISSING, PROGRAM_FAILED. */
export async function readChunks(device: string): Promise<BtrfsChunk[]> {
  const { stdout } = await run(['btrfs', 'inspect-internal', 'dump-tree', '-t', 'chunk', device], { limitMs: 120_000 });
  return chunksFromDump(stdout);
}

/** `item 1 key (… CHUNK_ITEM …)`, below it `length N owner …` and a line `stripe I devid 1 offset N` for each place (btrfs-progs 6.2, 6.14). Pure. */
export function chunksFromDump(dump: string): BtrfsChunk[] {
  const items = dump.split(/^\titem /m).filter((item) => /^\d+ key \(\S+ CHUNK_ITEM /.test(item));
  return items.map((item) => ({
    sizeBytes: Number(/^\s+length (\d+) /m.exec(item)?.[1]),
    places: [...item.matchAll(/^\s+stripe \d+ devid \d+ offset (\d+)/gm)].map((match) => Number(match[1])),
  }));
}

/** What is used at one place of a chunk is used at all of them. Pure. */
export function addCopies(extents: Extents, chunks: readonly BtrfsChunk[], sizeBytes: number): Extents {
  const copies: [number, number][] = SUPERBLOCK_COPIES.map((at) => [at, at + SUPERBLOCK_BYTES]);
  for (const { sizeBytes: chunkBytes, places } of chunks) {
    if (places.length < 2) continue;
    for (const from of places) {
      for (let i = firstBeyond(extents, from); i < extents.length && extents[i]! < from + chunkBytes; i += 2) {
        const start = Math.max(extents[i]!, from) - from;
        const end = Math.min(extents[i + 1]!, from + chunkBytes) - from;
        for (const to of places) if (to !== from) copies.push([to + start, to + end]);
      }
    }
  }
  return uniteExtents(extents, normalizeExtents(copies, sizeBytes));
}

/** Index of the first run that ends behind `at`. */
function firstBeyond(extents: Extents, at: number): number {
  let [low, high] = [0, extents.length / 2];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (extents[2 * middle + 1]! > at) high = middle;
    else low = middle + 1;
  }
  return 2 * low;
}
