/**
 * Casts that run at once share the interface by weight. udp-sender's own cap cannot change while it runs, but the daemon feeds
 * its pipe: whoever is fed more slowly sends more slowly, at once.
 */
import type { Clock } from '#system/clock.ts';

/** What one cast asks of the interface. */
export interface RateClaim {
  /** Two casts of weight 1 and 3 get a quarter and three quarters. */
  readonly weight: number;
  /** Its own cap in Mbit/s; what it leaves is the others'. */
  readonly maxMbit?: number | undefined;
}

/** Mbit/s of each claim, in their order; together never more than `totalMbit`. Pure. */
export function shareRate(totalMbit: number, claims: readonly RateClaim[]): number[] {
  const rates = claims.map(() => 0);
  let open = claims.map((_, i) => i);
  let left = totalMbit;
  for (;;) {
    const weights = open.reduce((sum, i) => sum + claims[i]!.weight, 0);
    const perWeight = weights === 0 ? 0 : left / weights;
    const capped = open.filter((i) => (claims[i]!.maxMbit ?? Infinity) <= perWeight * claims[i]!.weight);
    if (capped.length === 0) {
      for (const i of open) rates[i] = perWeight * claims[i]!.weight;
      return rates;
    }
    for (const i of capped) {
      rates[i] = claims[i]!.maxMbit!;
      left -= rates[i]!;
    }
    open = open.filter((i) => !capped.includes(i));
  }
}

/** A running cast's part of the interface. */
export interface RatePart {
  /** Now, in Mbit/s; undefined: as fast as it goes. */
  mbit(): number | undefined;
  leave(): void;
}

/** The running casts of one interface. */
export class RateShare {
  readonly #totalMbit: number | undefined;
  #claims: RateClaim[] = [];

  /** Undefined: the interface has no cap, and udp-sender's own are enough. */
  constructor(totalMbit: number | undefined) {
    this.#totalMbit = totalMbit;
  }

  join(claim: RateClaim): RatePart {
    // A claim of its own, so that it is found again when two casts ask for the same.
    const mine = { ...claim };
    this.#claims.push(mine);
    return {
      mbit: () =>
        this.#totalMbit === undefined
          ? undefined
          : shareRate(this.#totalMbit, this.#claims)[this.#claims.indexOf(mine)],
      leave: () => {
        this.#claims = this.#claims.filter((one) => one !== mine);
      },
    };
  }
}

/** Holds a feed to a rate that may change at any time; what was not used is not saved up beyond BURST_MS. */
export class Pacer {
  readonly #clock: Clock;
  readonly #mbit: () => number | undefined;
  #freeAtMs = 0;

  constructor(clock: Clock, mbit: () => number | undefined) {
    this.#clock = clock;
    this.#mbit = mbit;
  }

  /** Resolves when so many bytes may be sent. Throws AbortError. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const mbit = this.#mbit();
    if (mbit === undefined) return;
    const nowMs = this.#clock.steadyMs();
    const waitMs = this.#freeAtMs - nowMs;
    if (waitMs >= LEAST_WAIT_MS) await this.#clock.sleep(waitMs, signal);
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - BURST_MS) + (bytes * 8) / (mbit * 1000);
  }
}

/** Timers are no finer than this. */
const LEAST_WAIT_MS = 2;
const BURST_MS = 20;
