/** Keeps apart what must not touch the store at the same time: pruning on one side, sessions, verifying and fitting on the other. */
import { knownError } from '#protocol/errors.ts';

export class StoreGate {
  #isPruning = false;
  #readers = { verify: 0, fit: 0 };
  #runningSession: () => number | undefined;

  constructor(runningSession: () => number | undefined) {
    this.#runningSession = runningSession;
  }

  /** Throws STORE_PRUNING. Ask before a session is started or an image is changed. */
  requireNoPrune(): void {
    if (this.#isPruning) throw knownError('STORE_PRUNING');
  }

  /** Throws STORE_PRUNING, STORE_BUSY, STORE_VERIFYING, STORE_FITTING. */
  async whilePruning<T>(prune: () => Promise<T>): Promise<T> {
    this.requireNoPrune();
    const session = this.#runningSession();
    if (session !== undefined) throw knownError('STORE_BUSY', { session });
    if (this.#readers.verify > 0) throw knownError('STORE_VERIFYING');
    if (this.#readers.fit > 0) throw knownError('STORE_FITTING');
    this.#isPruning = true;
    try {
      return await prune();
    } finally {
      this.#isPruning = false;
    }
  }

  /** Throws STORE_PRUNING. Answers how to say that the verifying is over. */
  beginVerify(): () => void {
    return this.#begin('verify');
  }

  /** Throws STORE_PRUNING. Answers how to say that the fitting is over. */
  beginFit(): () => void {
    return this.#begin('fit');
  }

  #begin(what: 'verify' | 'fit'): () => void {
    this.requireNoPrune();
    this.#readers[what]++;
    let isOver = false;
    return () => {
      if (!isOver) this.#readers[what]--;
      isOver = true;
    };
  }
}
