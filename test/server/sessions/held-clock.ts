/** A clock that stands still until a test moves it. */
import type { Clock } from '#system/clock.ts';

export class HeldClock implements Clock {
  #nowMs = Date.UTC(2026, 10, 22);
  #jumpedMs = 0;
  #sleepers: { untilMs: number; resolve: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs + this.#jumpedMs;
  }

  steadyMs(): number {
    return this.#nowMs;
  }

  /** Somebody sets the clock: no time passes. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#sleepers.push({ untilMs: this.#nowMs + ms, resolve });
    });
  }

  /** Moves the clock in steps of a second and lets everything that waited run after each. */
  async advance(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.#nowMs += 1000;
      const due = this.#sleepers.filter((one) => one.untilMs <= this.#nowMs);
      this.#sleepers = this.#sleepers.filter((one) => one.untilMs > this.#nowMs);
      for (const one of due) one.resolve();
      await letRun();
    }
  }

  /** Moves the clock in one step, as when nobody looked meanwhile. */
  async leap(ms: number): Promise<void> {
    this.#nowMs += ms - 1000;
    await this.advance(1);
  }
}

/** Lets promises that are already settled, and immediates, run. */
export async function letRun(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}
