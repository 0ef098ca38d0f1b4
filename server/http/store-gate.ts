/** Keeps apart what must not touch the store at the same time: pruning on one side, sessions and verifying on the other. */
import { knownError } from '#protocol/errors.ts';

export class StoreGate {
  #isPruning = false;
  #verifiers = 0;
  #runningSession: () => number | undefined;

  constructor(runningSession: () => number | undefined) {
    this.#runningSession = runningSession;
  }

  /** Throws STORE_PRUNING. Ask before a session is started or an image is changed. */
  requireNoPrune(): void {
    if (this.#isPruning) throw knownError('STORE_PRUNING');
  }

  /** Throws STORE_PRUNING, STORE_BUSY, STORE_VERIFYING. */
  async whilePruning<T>(prune: () => Promise<T>): Promise<T> {
    this.requireNoPrune();
    const session = this.#runningSession();
    if (session !== undefined) throw knownError('STORE_BUSY', { session });
    if (this.#verifiers > 0) throw knownError('STORE_VERIFYING');
    this.#isPruning = true;
    try {
      return await prune();
    } finally {
      this.#isPruning = false;
    }
  }

  /** Throws STORE_PRUNING. Answers how to say that the verifying is over. */
  beginVerify(): () => void {
    this.requireNoPrune();
    this.#verifiers++;
    let isOver = false;
    return () => {
      if (!isOver) this.#verifiers--;
      isOver = true;
    };
  }
}
