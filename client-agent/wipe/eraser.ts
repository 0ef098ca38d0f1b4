/** One way to erase one disk. */
import { type Disk, describeDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import type { WipeResult } from '#protocol/wipe.ts';

export interface EraseRun {
  readonly signal: AbortSignal;
  /** Bytes erased so far. */
  onErased(bytes: number): void;
}

export interface Eraser {
  readonly method: WipeResult['method'];
  /** For people. */
  readonly how: string;
  /** Why the disk does not erase itself though it may be one that can. */
  readonly warning?: string;
  erase(run: EraseRun): Promise<void>;
}

/** WIPE_IMPOSSIBLE, with `{host}` left open. */
export function impossible(disk: Disk, why: string): Error {
  return knownError('WIPE_IMPOSSIBLE', { disk: `${disk.path} ${describeDisk(disk)}`, why });
}
