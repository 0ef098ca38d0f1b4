/** The chunks of a target disk: which it lacks, and which were not read from it and found right. */
import type { HoleSet } from '#protocol/holes.ts';
import { type Manifest, placeOf } from '#protocol/manifest.ts';
import { chunksOf } from '#protocol/source-disk.ts';
import type { ClearedRun } from '../disk/layout-writer.ts';
import { plainBytesOf } from '../receive/read-back.ts';

export class TargetChunks {
  /** What the disk lacks: at first everything that belongs on it. */
  readonly holes: HoleSet;
  /** Not read from the disk and found right since they were last written. Every hole is among them. */
  readonly unverified: HoleSet;
  /** How many belong on this disk. */
  readonly count: number;
  readonly #manifest: Manifest;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.holes = chunksOf(manifest);
    this.count = this.holes.count;
    this.unverified = this.holes.clone();
  }

  /** Plain bytes of what is lacking. */
  get lackingBytes(): number {
    return plainBytesOf(this.#manifest, this.holes);
  }

  get verifiedCount(): number {
    return this.count - this.unverified.count;
  }

  /** Plain bytes of what was read and found right. */
  get verifiedBytes(): number {
    return plainBytesOf(this.#manifest, chunksOf(this.#manifest)) - plainBytesOf(this.#manifest, this.unverified);
  }

  /** What reaches into what was, or will be, cleared is lacking. */
  addWithin(runs: readonly ClearedRun[]): void {
    for (const ordinal of chunksWithin(this.#manifest, runs)) {
      this.holes.add(ordinal);
      this.unverified.add(ordinal);
    }
  }
}

/** The chunks that reach into one of the runs. Pure. */
export function chunksWithin(manifest: Manifest, runs: readonly ClearedRun[]): number[] {
  const hit: number[] = [];
  for (const ordinal of chunksOf(manifest)) {
    const { diskOffset, plainBytes } = placeOf(manifest, ordinal);
    if (runs.some((run) => run.startBytes < diskOffset + plainBytes && diskOffset < run.endBytes)) hit.push(ordinal);
  }
  return hit;
}
