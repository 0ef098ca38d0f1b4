/** One multicast probe of a session: which hosts listen, and what they have heard. */
import { randomBytes } from 'node:crypto';
import type { Report } from '#protocol/agent-api.ts';
import type { ProbeOrder } from '#protocol/probe.ts';
import type { Clock } from '#system/clock.ts';
import type { CastPorts } from '../transfer/port-allocator.ts';

/** A host that does not even listen by then is not judged, in ms. */
const JOIN_LIMIT_MS = 800;
/** The datagrams are sent again when somebody who listens has not heard any: a switch needs a moment to note who does. */
const ROUNDS = 3;
/** From one round to the next, in ms. */
const ROUND_MS = 500;
/** After the last round; who listens and still has heard nothing then is deaf. In ms. */
const LAST_WAIT_MS = 1000;
/** A host listens longer than all of that takes, on a busy machine too. */
const LISTEN_MS = 30_000;

/** What a host heard of the datagrams that were sent from the first to the last that it heard. */
export interface ProbeHearing {
  readonly heard: number;
  readonly of: number;
  /** From the first to the last of each round, added up, in ms; absent: an older agent. */
  readonly spanMs?: number;
}

export class SessionProbe {
  readonly order: ProbeOrder;
  readonly #taskIds: ReadonlySet<number>;
  readonly #listening = new Set<number>();
  readonly #heard = new Map<number, ProbeHearing>();
  /** Who is to hear it: all that were told to; once it is sent, those that listen. */
  #expected: Set<number>;
  #allListen = Promise.withResolvers<void>();
  #allHeard = Promise.withResolvers<void>();

  constructor(taskIds: readonly number[], ports: CastPorts, count: number) {
    this.#taskIds = new Set(taskIds);
    this.#expected = new Set(taskIds);
    const nonce = randomBytes(8).toString('hex');
    this.order = { nonce, group: ports.dataAddress, port: ports.portBase, count, listenMs: LISTEN_MS };
  }

  /** The host of this task is to listen. */
  concerns(taskId: number): boolean {
    return this.#taskIds.has(taskId);
  }

  note(taskId: number, report: Report): void {
    if (!this.concerns(taskId)) return;
    if (report.progress?.phase === 'probe') {
      this.#listening.add(taskId);
      this.#expected.add(taskId);
    }
    if (report.probe?.nonce === this.order.nonce) {
      const { heard, of, spanMs } = report.probe;
      // A handful of datagrams tells nothing of those between.
      const leastOf = Math.max(of, Math.ceil(this.order.count / 2));
      this.#heard.set(taskId, { heard, of: leastOf, ...(spanMs === undefined ? {} : { spanMs }) });
    }
    // One that cannot listen is not waited for.
    if (report.status === 'failed') this.#heard.set(taskId, this.#nothing);
    if ([...this.#expected].every((id) => this.#listens(id))) this.#allListen.resolve();
    if (this.#haveAllHeard()) this.#allHeard.resolve();
  }

  /** Sends when all listen, and gives what each host has heard, by task id; a host that did not listen in time is missing. */
  async run(
    send: (round: number) => Promise<void>,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, ProbeHearing>> {
    const atMost = (ms: number) => clock.sleep(ms, signal).catch(() => undefined);
    await Promise.race([this.#allListen.promise, atMost(JOIN_LIMIT_MS)]);
    // Who does not listen by now is not waited for any more, unless it does later.
    this.#expected = new Set([...this.#expected].filter((id) => this.#listens(id)));
    for (let round = 0; round < ROUNDS && !this.#haveAllHeard(); round++) {
      signal.throwIfAborted();
      this.#allHeard = Promise.withResolvers();
      await send(round);
      if (this.#haveAllHeard()) break;
      await Promise.race([this.#allHeard.promise, atMost(round === ROUNDS - 1 ? LAST_WAIT_MS : ROUND_MS)]);
    }
    for (const id of this.#listening) if (!this.#heard.has(id)) this.#heard.set(id, this.#nothing);
    return this.#heard;
  }

  get #nothing(): ProbeHearing {
    return { heard: 0, of: this.order.count };
  }

  #listens(taskId: number): boolean {
    return this.#listening.has(taskId) || this.#heard.has(taskId);
  }

  #haveAllHeard(): boolean {
    return this.#expected.size > 0 && [...this.#expected].every((id) => this.#heard.has(id));
  }
}
