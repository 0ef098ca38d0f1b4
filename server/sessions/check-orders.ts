/** Orders of check-ups, for hosts without a task: who is asked what, and the report that answers it. Nothing of it is kept. */
import type { Order, Report } from '#protocol/agent-api.ts';
import type { CheckContent } from '#protocol/check.ts';
import { checkOrder } from './orders.ts';

interface Asked {
  readonly order: Order;
  readonly answer: (report: Report | undefined) => void;
}

export class CheckOrders {
  readonly #asked = new Map<number, Asked>();
  readonly #onChange: (hostId: number) => void;

  /** `onChange`: the host has another order now. */
  constructor(onChange: (hostId: number) => void) {
    this.#onChange = onChange;
  }

  orderFor(hostId: number): Order | undefined {
    return this.#asked.get(hostId)?.order;
  }

  /**
   * Asks the host, and gives its report that it is done or has failed; undefined when the signal fired, it was dropped, or it was
   * asked something else meanwhile. The order stands until the next one, or until it is dropped.
   */
  async ask(hostId: number, content: CheckContent, signal: AbortSignal): Promise<Report | undefined> {
    const { promise, resolve } = Promise.withResolvers<Report | undefined>();
    const giveUp = () => resolve(undefined);
    this.#asked.get(hostId)?.answer(undefined);
    this.#asked.set(hostId, { order: checkOrder(content), answer: resolve });
    this.#onChange(hostId);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** A report about the present order of the host. */
  note(hostId: number, report: Report): void {
    const asked = this.#asked.get(hostId);
    if (asked?.order.rev !== report.rev) return;
    if (report.status === 'done' || report.status === 'failed') asked.answer(report);
  }

  /** The host has something else to do, or is done. May be repeated. */
  drop(hostId: number): void {
    const asked = this.#asked.get(hostId);
    if (asked === undefined) return;
    this.#asked.delete(hostId);
    asked.answer(undefined);
    this.#onChange(hostId);
  }
}
