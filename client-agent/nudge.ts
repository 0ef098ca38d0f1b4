/** Ends a wait early. One that is given while nobody waits ends the next wait at once. */
export class Nudge {
  #isGiven = false;
  #wake: () => void = () => undefined;

  give(): void {
    this.#isGiven = true;
    this.#wake();
  }

  /** From here on only a new one counts. */
  clear(): void {
    this.#isGiven = false;
  }

  /** Returns when it is given, at the latest after `waitMs`. Throws the reason of the signal. */
  wait(waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#isGiven) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(finish, waitMs);
      signal.addEventListener('abort', abort, { once: true });
      this.#wake = finish;
    });
  }
}
