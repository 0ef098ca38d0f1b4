/** Calls of agents that wait for their order to change. */
import { ORDER_WAIT_MS, type Order } from '#protocol/agent-api.ts';
import type { Clock } from '#system/clock.ts';

export class OrderWaiters {
  #waiting = new Map<number, Set<() => void>>();
  #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
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
    const waiting = this.#waiting.get(hostId);
    this.#waiting.delete(hostId);
    for (const resolve of waiting ?? []) resolve();
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
