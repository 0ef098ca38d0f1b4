/** What the server knows of the content of a host's disk from the tasks that it had. Pure. */
import { type DiskIdentity, isSameDisk } from '#protocol/disk.ts';
import { idAt, type Manifest, placeOf } from '#protocol/manifest.ts';
import type { GivenDisk } from '../db/task-history.ts';

/** A disk that has been used since it was given its image is taken to have changed so much. */
export const USUAL_DRIFT = 0.05;

export interface DiskKnowledge {
  /** The task that last left something on the disk that is known; absent: nothing is known. */
  readonly given?: GivenDisk;
  /** Share of what it was given that is still there, 0 to 1. */
  readonly keptShare: number;
  /** How fast the disk was last read, in bytes a second. */
  readonly readBytesPerSecond?: number;
}

/** The newest task that left something known on the disk. `rows` are the ended tasks of its host, the newest first. */
export function lastGiven(disk: DiskIdentity, rows: readonly GivenDisk[]): GivenDisk | undefined {
  return rows.find((row) => isSameDisk(row.disk, disk));
}

/** `rows` as above; `givenChunks` is how many chunks the image of `lastGiven` has, if that is known. */
export function knowledgeOf(
  disk: DiskIdentity,
  rows: readonly GivenDisk[],
  givenChunks: number | undefined,
): DiskKnowledge {
  const ofDisk = rows.filter((row) => isSameDisk(row.disk, disk));
  const [given, before] = ofDisk;
  const readBytesPerSecond = ofDisk.find((row) => row.result?.readBytesPerSecond !== undefined)?.result
    ?.readBytesPerSecond;
  const measured = readBytesPerSecond === undefined ? {} : { readBytesPerSecond };
  if (given === undefined) return { keptShare: 0, ...measured };
  if (given.isWhole) return { given, keptShare: 1 - driftOf(given, before), ...measured };
  return { given, keptShare: givenChunks === undefined ? 0 : Math.min(1, given.have / givenChunks), ...measured };
}

/** As the last session found it, when it hashed a disk that had been given the very same image before. */
function driftOf(given: GivenDisk, before: GivenDisk | undefined): number {
  const { result } = given;
  if (!result?.keptBytes || before?.isWhole !== true || before.manifestId !== given.manifestId) return USUAL_DRIFT;
  const movedBytes = result.castBytes + result.httpBytes;
  return movedBytes / (movedBytes + result.keptBytes);
}

/** Share of the bytes of `wanted` that a disk holding `given` has in the right place already, 0 to 1. */
export function likenessOf(given: Manifest, wanted: Manifest): number {
  if (given.id === wanted.id) return 1;
  // Places on several disks are no places of one.
  if (given.head.moreDisks !== undefined || wanted.head.moreDisks !== undefined) return 0;
  if (given.head.chunkBytes !== wanted.head.chunkBytes || wanted.chunkCount === 0) return 0;
  const byPlace = new Map<number, number>();
  for (let ordinal = 0; ordinal < given.chunkCount; ordinal++) {
    byPlace.set(placeOf(given, ordinal).diskOffset, ordinal);
  }
  let sameBytes = 0;
  let allBytes = 0;
  for (let ordinal = 0; ordinal < wanted.chunkCount; ordinal++) {
    const { diskOffset, plainBytes } = placeOf(wanted, ordinal);
    const there = byPlace.get(diskOffset);
    allBytes += plainBytes;
    if (there !== undefined && isSameId(idAt(given, there), idAt(wanted, ordinal))) sameBytes += plainBytes;
  }
  return sameBytes / allBytes;
}

function isSameId(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
