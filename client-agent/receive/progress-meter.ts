/** How far a step is and how fast it goes, for the reports: bytes on the disk, the rate over the last seconds. */
import type { Progress } from '#protocol/agent-api.ts';
import type { HoleSet } from '#protocol/holes.ts';
import type { StreamGauge } from './stream-gauge.ts';

/** Time that the rate looks back, in ms. */
const RATE_WINDOW_MS = 3000;

/** What moves bytes tells how far it is. */
export type Meter = Pick<ProgressMeter, 'moved'>;

export class ProgressMeter {
  readonly #phase: string;
  readonly #holes: Pick<HoleSet, 'count'>;
  readonly #onProgress: (progress: Progress) => void;
  readonly #warnings: readonly string[];
  readonly #nowMs: () => number;
  readonly #past: { atMs: number; bytes: number }[];
  #totalBytes = 0;
  /** Present while a cast is heard. */
  gauge: StreamGauge | undefined;

  constructor(
    phase: string,
    holes: Pick<HoleSet, 'count'>,
    onProgress: (progress: Progress) => void,
    /** What the admin should know before the work is over; may become more. */
    warnings: readonly string[] = [],
    nowMs: () => number = () => performance.now(),
  ) {
    this.#phase = phase;
    this.#holes = holes;
    this.#onProgress = onProgress;
    this.#warnings = warnings;
    this.#nowMs = nowMs;
    this.#past = [{ atMs: nowMs(), bytes: 0 }];
  }

  /** Tells the same again, with what time has changed: its rate, and the buffer. */
  tellAgain(): void {
    this.moved(this.#past.at(-1)!.bytes, this.#totalBytes);
  }

  /** Meters for so many that work at the same time: this one tells the sums. */
  shares(count: number): Meter[] {
    const sums = Array.from({ length: count }, () => ({ doneBytes: 0, totalBytes: 0 }));
    const sumOf = (key: 'doneBytes' | 'totalBytes') => sums.reduce((sum, one) => sum + one[key], 0);
    return sums.map((share) => ({
      moved: (doneBytes, totalBytes) => {
        Object.assign(share, { doneBytes, totalBytes });
        this.moved(sumOf('doneBytes'), sumOf('totalBytes'));
      },
    }));
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
      ...(this.#warnings.length === 0 ? {} : { warnings: [...this.#warnings] }),
    });
  }
}
