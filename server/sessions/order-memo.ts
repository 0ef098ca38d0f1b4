/** Orders that were made already: each report and each order call asks for one, and most of the time nothing has changed. */
import type { CastOrder, Order } from '#protocol/agent-api.ts';
import type { ProbeOrder } from '#protocol/probe.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';
import { type CaptureDefaults, orderOfTask } from './orders.ts';

interface Made {
  readonly session: SessionRow;
  readonly cast: CastOrder | undefined;
  readonly probe: ProbeOrder | undefined;
  readonly order: Order;
}

export class OrderMemo {
  readonly #defaults: CaptureDefaults;
  // Rows are replaced when they change, never changed.
  readonly #made = new WeakMap<TaskRow, Made>();

  constructor(defaults: CaptureDefaults) {
    this.#defaults = defaults;
  }

  /** As orderOfTask. */
  orderOf(session: SessionRow, task: TaskRow, cast: CastOrder | undefined, probe: ProbeOrder | undefined): Order {
    const made = this.#made.get(task);
    if (made !== undefined && made.session === session && made.cast === cast && made.probe === probe) return made.order;
    const order = orderOfTask(session, task, { cast, probe, defaults: this.#defaults });
    this.#made.set(task, { session, cast, probe, order });
    return order;
  }
}
