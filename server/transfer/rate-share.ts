/**
 * Casts that run at once share the interface by weight. udp-sender's own cap cannot change while it runs, but the daemon feeds
 * its pipe: whoever is fed more slowly sends more slowly, at once.
 */
import type { Clock } from '#system/clock.ts';
import type { InterfaceRate } from './interface-rate.ts';

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
  /** So many bytes has it been fed from its beginning until now. */
  took(takenBytes: number): void;
  leave(): void;
}

/** A running cast: what it claims, and what it makes of it. */
interface Sharer {
  readonly claim: RateClaim;
  /** It has lately used so much of its part: a receiver is slow, or it waits for its hosts. Undefined: all of it. */
  usedMbit: number | undefined;
  takenBytes: number;
  window: { readonly fromMs: number; readonly fromBytes: number };
}

/** What a cast uses is looked at over so much time, in ms. */
const WINDOW_MS = 1000;
/** One that uses this much of its part would take more. */
const ALL_SHARE = 0.8;
/** What is kept free for one that uses less: it grows when it can. */
const GROWTH = 1.25;

/** The running casts of one interface. */
export class RateShare {
  readonly #readRate: () => InterfaceRate | undefined;
  readonly #clock: Pick<Clock, 'steadyMs'>;
  #rate: InterfaceRate | undefined;
  #sharers: Sharer[] = [];

  /** `readRate` is asked whenever a cast begins. Undefined: udp-sender's own caps are enough. */
  constructor(readRate: () => InterfaceRate | undefined, clock: Pick<Clock, 'steadyMs'>) {
    this.#readRate = readRate;
    this.#clock = clock;
  }

  join(claim: RateClaim): RatePart {
    this.#rate = this.#readRate();
    const window = { fromMs: this.#clock.steadyMs(), fromBytes: 0 };
    const mine: Sharer = { claim, usedMbit: undefined, takenBytes: 0, window };
    this.#sharers.push(mine);
    return {
      mbit: () => this.#partOf(mine),
      took: (takenBytes) => this.#note(mine, takenBytes),
      leave: () => {
        this.#sharers = this.#sharers.filter((one) => one !== mine);
      },
    };
  }

  /** Of what the others leave, a cast may take all of its own part at once, whatever it used before. */
  #partOf(mine: Sharer): number | undefined {
    if (this.#rate === undefined || (this.#sharers.length === 1 && !this.#rate.isCap)) return undefined;
    const claims = this.#sharers.map((one) => (one === mine ? one.claim : this.#wantOf(one)));
    return shareRate(this.#rate.mbit, claims)[this.#sharers.indexOf(mine)];
  }

  #note(mine: Sharer, takenBytes: number): void {
    mine.takenBytes = takenBytes;
    const nowMs = this.#clock.steadyMs();
    if (nowMs - mine.window.fromMs < WINDOW_MS) return;
    const usedMbit = rateIn(mine, nowMs);
    const part = this.#partOf(mine);
    mine.usedMbit = part === undefined || usedMbit >= part * ALL_SHARE ? undefined : usedMbit;
    mine.window = { fromMs: nowMs, fromBytes: takenBytes };
  }

  /** One that has long taken nothing does not say so: it is not asked. */
  #wantOf(other: Sharer): RateClaim {
    const nowMs = this.#clock.steadyMs();
    const isStill = nowMs - other.window.fromMs >= 2 * WINDOW_MS;
    const usedMbit = isStill ? rateIn(other, nowMs) : other.usedMbit;
    if (usedMbit === undefined) return other.claim;
    return { ...other.claim, maxMbit: Math.min(other.claim.maxMbit ?? Infinity, usedMbit * GROWTH) };
  }
}

function rateIn({ takenBytes, window }: Sharer, nowMs: number): number {
  return ((takenBytes - window.fromBytes) * 8) / ((nowMs - window.fromMs) * 1000);
}

/** Holds a feed to a rate that may change at any time; what was not used is not saved up beyond `burstMs`. */
export class Pacer {
  readonly #clock: Clock;
  readonly #mbit: () => number | undefined;
  readonly #burstMs: number;
  #freeAtMs = 0;

  constructor(clock: Clock, mbit: () => number | undefined, burstMs = BURST_MS) {
    this.#clock = clock;
    this.#mbit = mbit;
    this.#burstMs = burstMs;
  }

  /** Resolves when so many bytes may be sent. Throws AbortError. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const mbit = this.#mbit();
    if (mbit === undefined) return;
    const nowMs = this.#clock.steadyMs();
    const waitMs = this.#freeAtMs - nowMs;
    if (waitMs >= LEAST_WAIT_MS) await this.#clock.sleep(waitMs, signal);
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - this.#burstMs) + (bytes * 8) / (mbit * 1000);
  }
}

/** Timers are no finer than this. */
const LEAST_WAIT_MS = 2;
const BURST_MS = 20;
