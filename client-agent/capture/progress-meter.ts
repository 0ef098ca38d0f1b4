/** Turns counted bytes into progress reports, not more often than somebody can read them. */
import type { Progress } from '#protocol/agent-api.ts';

const REPORT_MS = 500;

export class ProgressMeter {
  readonly #report: (progress: Progress) => void;
  readonly #nowMs: () => number;
  #phase = '';
  #totalBytes = 0;
  #doneBytes = 0;
  #startedMs = 0;
  #reportedMs = 0;
  #warnings: readonly string[] = [];

  constructor(report: (progress: Progress) => void, nowMs: () => number) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  /** Begins to count anew and reports at once. */
  begin(phase: string, totalBytes: number): void {
    this.#totalBytes = totalBytes;
    this.#doneBytes = 0;
    this.#startedMs = this.#nowMs();
    this.#phase = phase;
    this.#send();
  }

  /** What is told with every report from now on. */
  warn(warnings: readonly string[]): void {
    this.#warnings = warnings;
  }

  /** The work goes on, but is called otherwise now. */
  rename(phase: string): void {
    this.#phase = phase;
  }

  add(bytes: number): void {
    this.#doneBytes += bytes;
    if (this.#nowMs() - this.#reportedMs >= REPORT_MS || this.#doneBytes >= this.#totalBytes) this.#send();
  }

  #send(): void {
    this.#reportedMs = this.#nowMs();
    const seconds = (this.#reportedMs - this.#startedMs) / 1000;
    this.#report({
      phase: this.#phase,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond: seconds > 0 ? Math.round(this.#doneBytes / seconds) : 0,
      ...(this.#warnings.length === 0 ? {} : { warnings: [...this.#warnings] }),
    });
  }
}
