/**
 * Calls of agents that wait for their order to change. When the orders of many change at once they are told at a pace: each of them
 * comes back with several calls, and a thousand in the same instant would keep every heartbeat waiting for half a second.
 */
import { ORDER_WAIT_MS, type Order } from '#protocol/agent-api.ts';
import type { Clock } from '#system/clock.ts';

/** So many are told at once: a room never waits. */
const AT_ONCE = 60;
/** The others follow at this pace: a thousand within three seconds. */
const HOSTS_PER_SECOND = 350;
/** Between two looks at those who are to be told, in ms. */
const LOOK_EVERY_MS = 20;

export class OrderWaiters {
  #waiting = new Map<number, Set<() => void>>();
  /** Hosts whose order has changed and that were not told yet, in turn. */
  #untold = new Set<number>();
  #isTelling = false;
  #allowance = AT_ONCE;
  #allowedAtMs: number;
  #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#allowedAtMs = clock.steadyMs();
  }

  /** The host's order as soon as its rev differs from `after`, and at the latest after ORDER_WAIT_MS or when the signal fires. */
  async wait(hostId: number, after: string, read: () => Order, signal: AbortSignal): Promise<Order> {
    const limit = new AbortController();
    const until = AbortSignal.any([signal, limit.signal]);
    const timer = this.#clock.sleep(ORDER_WAIT_MS, until).then(
      () => 'late' as const,
      () => 'late' as const,
    );
    try {
      let order = read();
      while (order.rev === after && !signal.aborted) {
        if ((await Promise.race([this.#nextChange(hostId, until), timer])) === 'late') return read();
        order = read();
      }
      return order;
    } finally {
      limit.abort();
    }
  }

  /** The order of this host may have changed. */
  wakeUp(hostId: number): void {
    if (!this.#waiting.has(hostId)) return;
    this.#untold.add(hostId);
    if (this.#isTelling) return;
    this.#tell();
    if (this.#untold.size > 0) void this.#tellTheRest();
  }

  async #tellTheRest(): Promise<void> {
    this.#isTelling = true;
    while (this.#untold.size > 0) {
      await this.#clock.sleep(LOOK_EVERY_MS);
      this.#tell();
    }
    this.#isTelling = false;
  }

  /** As many as may be told now. */
  #tell(): void {
    const steadyMs = this.#clock.steadyMs();
    const earned = ((steadyMs - this.#allowedAtMs) * HOSTS_PER_SECOND) / 1000;
    this.#allowance = Math.min(AT_ONCE, this.#allowance + earned);
    this.#allowedAtMs = steadyMs;
    for (const hostId of this.#untold) {
      if (this.#allowance < 1) return;
      this.#untold.delete(hostId);
      const waiting = this.#waiting.get(hostId);
      // It may have gone, or its time was over.
      if (waiting === undefined) continue;
      this.#allowance--;
      this.#waiting.delete(hostId);
      for (const resolve of waiting) resolve();
    }
  }

  #nextChange(hostId: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(hostId) ?? new Set();
      this.#waiting.set(hostId, waiting.add(resolve));
      signal.addEventListener(
        'abort',
        () => {
          waiting.delete(resolve);
          if (waiting.size === 0 && this.#waiting.get(hostId) === waiting) this.#waiting.delete(hostId);
        },
        { once: true },
      );
    });
  }
}
