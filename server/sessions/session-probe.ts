/** One multicast probe of a session: which hosts listen, and what they have heard. */
import { randomBytes } from 'node:crypto';
import type { Report } from '#protocol/agent-api.ts';
import type { ProbeOrder } from '#protocol/probe.ts';
import type { Clock } from '#system/clock.ts';
import type { CastPorts } from '../transfer/port-allocator.ts';

/** From joining the group until a host says what it heard although not all has come, in ms: what a deaf host costs the others. */
const LISTEN_MS = 1000;
/** A host that does not even listen by then is not judged. */
const JOIN_LIMIT_MS = 800;
const ANSWER_LIMIT_MS = LISTEN_MS + 500;

export class SessionProbe {
  readonly order: ProbeOrder;
  readonly #taskIds: ReadonlySet<number>;
  readonly #listening = new Set<number>();
  readonly #heard = new Map<number, number>();
  readonly #allListen = Promise.withResolvers<void>();
  readonly #allHeard = Promise.withResolvers<void>();

  constructor(taskIds: readonly number[], ports: CastPorts, count: number) {
    this.#taskIds = new Set(taskIds);
    const nonce = randomBytes(8).toString('hex');
    this.order = { nonce, group: ports.dataAddress, port: ports.portBase, count, listenMs: LISTEN_MS };
  }

  /** The host of this task is to listen. */
  concerns(taskId: number): boolean {
    return this.#taskIds.has(taskId);
  }

  note(taskId: number, report: Report): void {
    if (!this.concerns(taskId)) return;
    if (report.progress?.phase === 'probe') this.#listening.add(taskId);
    if (report.probe?.nonce === this.order.nonce) this.#heard.set(taskId, report.probe.heard);
    // One that cannot listen is not waited for.
    if (report.status === 'failed') this.#heard.set(taskId, 0);
    const areAllIn = (known: { has(taskId: number): boolean }) => [...this.#taskIds].every((id) => known.has(id));
    if (areAllIn({ has: (id) => this.#listening.has(id) || this.#heard.has(id) })) this.#allListen.resolve();
    if (areAllIn(this.#heard)) this.#allHeard.resolve();
  }

  /** Sends when all listen, and gives what each host has heard, by task id; a host that said nothing is missing. */
  async run(send: () => Promise<void>, clock: Clock, signal: AbortSignal): Promise<ReadonlyMap<number, number>> {
    const atMost = (ms: number) => clock.sleep(ms, signal).catch(() => undefined);
    await Promise.race([this.#allListen.promise, atMost(JOIN_LIMIT_MS)]);
    await send();
    await Promise.race([this.#allHeard.promise, atMost(ANSWER_LIMIT_MS)]);
    return this.#heard;
  }
}
