/** How far the wipe of a host's disks is, for the reports: bytes of all of them. */
import type { Progress } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';

export class WipeMeter {
  readonly #startedMs = performance.now();
  readonly #totalBytes: number;
  readonly #erased: number[];
  readonly #sampled: number[];
  readonly #warnings: readonly string[];
  readonly #onProgress: (progress: Progress) => void;

  /** `warnings` may become more. */
  constructor(
    disks: readonly Pick<Disk, 'sizeBytes'>[],
    warnings: readonly string[],
    onProgress: (progress: Progress) => void,
  ) {
    this.#totalBytes = sumOf(disks.map(({ sizeBytes }) => sizeBytes));
    this.#erased = disks.map(() => 0);
    this.#sampled = disks.map(() => 0);
    this.#warnings = warnings;
    this.#onProgress = onProgress;
  }

  /** Nothing is written yet. */
  checked(): void {
    this.#tell('check', 0, this.#totalBytes);
  }

  /** So much of disk `i` is erased. */
  erased(i: number, bytes: number): void {
    this.#erased[i] = bytes;
    this.#tell('wipe', sumOf(this.#erased), this.#totalBytes);
  }

  /** Disk `i` was read back; told when all were. */
  sampled(i: number, bytes: number): void {
    this.#sampled[i] = bytes;
    if (this.#sampled.some((one) => one === 0)) return;
    const bytesOfAll = sumOf(this.#sampled);
    this.#tell('sample', bytesOfAll, bytesOfAll);
  }

  #tell(phase: string, doneBytes: number, totalBytes: number): void {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    this.#onProgress({
      ...{ phase, doneBytes, totalBytes },
      bytesPerSecond: seconds > 0 ? Math.round(doneBytes / seconds) : 0,
      ...(this.#warnings.length === 0 ? {} : { warnings: [...this.#warnings] }),
    });
  }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
