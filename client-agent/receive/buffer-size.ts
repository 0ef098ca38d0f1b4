/** How much memory a host lends to the stream that it receives, so that a disk that pauses does not hold the others up. */
import { freemem } from 'node:os';

const MIB = 1024 * 1024;
/** Of the memory that is free: the rest is for the agent, its threads, and the pages of the kernel. */
const SHARE_OF_FREE = 1 / 4;
const LEAST_BYTES = 16 * MIB;
/** A gigabit line needs 4 s to fill this; a disk that is behind by more is too slow, not pausing. */
const MOST_BYTES = 512 * MIB;

/** Pure. On a host with 384 MiB of memory in all this comes to 30–60 MiB. */
export function bufferBytesFor(freeBytes: number): number {
  return Math.max(LEAST_BYTES, Math.min(MOST_BYTES, Math.floor(freeBytes * SHARE_OF_FREE)));
}

/** Free is what the kernel could give without swapping: libuv reads MemAvailable of /proc/meminfo, proc(5). */
export function chooseBufferBytes(): number {
  return bufferBytesFor(freemem());
}
