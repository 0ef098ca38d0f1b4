/** How far a step is and how fast it goes, for the reports: bytes on the disk, the rate over the last seconds. */
import type { Progress } from '#protocol/agent-api.ts';
import type { HoleSet } from '#protocol/holes.ts';
import type { StreamGauge } from './stream-gauge.ts';

/** Time that the rate looks back, in ms. */
const RATE_WINDOW_MS = 3000;

export class ProgressMeter {
  readonly #phase: string;
  readonly #holes: HoleSet;
  readonly #onProgress: (progress: Progress) => void;
  readonly #nowMs: () => number;
  readonly #past: { atMs: number; bytes: number }[];
  #totalBytes = 0;
  /** Present while a cast is heard. */
  gauge: StreamGauge | undefined;

  constructor(
    phase: string,
    holes: HoleSet,
    onProgress: (progress: Progress) => void,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#phase = phase;
    this.#holes = holes;
    this.#onProgress = onProgress;
    this.#nowMs = nowMs;
    this.#past = [{ atMs: nowMs(), bytes: 0 }];
  }

  /** Tells the same again, with what time has changed: its rate, and the buffer. */
  tellAgain(): void {
    this.moved(this.#past.at(-1)!.bytes, this.#totalBytes);
  }

  moved(doneBytes: number, totalBytes: number): void {
    this.#totalBytes = totalBytes;
    const atMs = this.#nowMs();
    this.#past.push({ atMs, bytes: doneBytes });
    while (this.#past.length > 2 && this.#past[1]!.atMs < atMs - RATE_WINDOW_MS) this.#past.shift();
    const first = this.#past[0]!;
    const bytesPerSecond = atMs > first.atMs ? ((doneBytes - first.bytes) * 1000) / (atMs - first.atMs) : 0;
    this.#onProgress({
      phase: this.#phase,
      doneBytes,
      totalBytes: Math.max(doneBytes, Math.round(totalBytes)),
      bytesPerSecond: Math.round(bytesPerSecond),
      holes: this.#holes.count,
      ...(this.gauge === undefined ? {} : { stream: this.gauge.read() }),
    });
  }
}
