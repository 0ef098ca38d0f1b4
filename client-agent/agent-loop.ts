/**
 * The agent's life after hello: it asks for its order, does it, and reports. It decides nothing by itself: a new order
 * ends what the old one was doing, a server that is away is waited for with everything kept as it is.
 */
import type {
  AuditOrder,
  CaptureOrder,
  CheckOrder,
  DeployOrder,
  Order,
  Progress,
  Report,
  WipeOrder,
} from '#protocol/agent-api.ts';
import { HEARTBEAT_MS } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { type ErrorBody, KnownError, knownError } from '#protocol/errors.ts';
import type { ProbeOrder } from '#protocol/probe.ts';
import type { CaptureResult } from '#protocol/task-result.ts';
import { findDisks } from './disk/disk-finder.ts';
import { requireUnused } from './disk/disk-use.ts';
import { Nudge } from './nudge.ts';
import { runAudit } from './orders/audit.ts';
import { CheckJob } from './orders/check.ts';
import { DeployJob } from './orders/deploy.ts';
import type { DeployMachine } from './orders/deploy-machine.ts';
import { problemOf } from './orders/disk-failure.ts';
import { FinisherFailure } from './orders/finish.ts';
import { describeOrder, isSameWork } from './orders/order.ts';
import { forgetSecrets, readSecrets } from './orders/secrets.ts';
import { runWipe } from './orders/wipe.ts';
import { listenToProbe } from './receive/probe-listener.ts';
import { isPressing } from './receive/stream-gauge.ts';
import { isAway, type ServerLink } from './server-link.ts';

/** Least time between two reports of progress, in ms. */
const PROGRESS_MS = 500;

export interface CaptureOptions {
  disks: readonly Disk[];
  link: ServerLink;
  keys: readonly Uint8Array[];
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

export interface AgentOptions {
  readonly machine: DeployMachine;
  readonly hostName: string;
  runCapture(order: CaptureOrder, o: CaptureOptions): Promise<CaptureResult>;
  /** One line for whoever stands before the machine, when something changes. */
  say(line: string): void;
  readonly signal: AbortSignal;
}

/** What is to be reported about the present order. */
type State = Omit<Report, 'rev'>;

const idle: State = { status: 'idle' };

/** Lives until the host is released, and says how. Throws TOKEN_REFUSED when the server no longer knows this agent, and AbortError. */
export async function runAgentLoop(o: AgentOptions): Promise<'reboot' | 'poweroff'> {
  const loop = new AgentLoop(o);
  const ending = new AbortController();
  const signal = AbortSignal.any([o.signal, ending.signal]);
  const reporting = loop.reportOn(signal);
  try {
    return await Promise.race([loop.followOrders(signal), reporting]);
  } finally {
    ending.abort();
    await reporting.catch(() => undefined);
    await loop.stop();
  }
}

class AgentLoop {
  readonly #o: AgentOptions;
  #order: Order = { kind: 'wait', rev: '' };
  #state: State = idle;
  #activity: { controller: AbortController; ended: Promise<void> } | undefined;
  #job: DeployJob | undefined;
  #checkUp: CheckJob | undefined;
  #poll = new AbortController();
  /** Something is to be reported that the report under way may not say. */
  #nudge = new Nudge();
  #reportedMs = 0;
  #reported: Progress | undefined;

  constructor(o: AgentOptions) {
    this.#o = o;
  }

  async followOrders(signal: AbortSignal): Promise<'reboot' | 'poweroff'> {
    const { link } = this.#o.machine;
    for (;;) {
      this.#poll = new AbortController();
      const order = await link.order(this.#order.rev, AbortSignal.any([signal, this.#poll.signal])).catch((error) => {
        signal.throwIfAborted();
        if (this.#poll.signal.aborted) return undefined;
        throw error;
      });
      if (order === undefined || order.rev === this.#order.rev) continue;
      await this.#obey(order);
      if (order.kind !== 'release' || order.action === 'stay') continue;
      // The server knows anyway when the host boots again: this only spares it the wait.
      await link.report({ rev: order.rev, status: 'done' }, signal).catch(() => undefined);
      return order.action;
    }
  }

  /** Reports every HEARTBEAT_MS, and at once when something changed. Ends only by an error. */
  async reportOn(signal: AbortSignal): Promise<never> {
    let isServerAway = false;
    let strangeAnswers = 0;
    for (;;) {
      this.#nudge.clear();
      const { rev } = this.#order;
      try {
        this.#reportedMs = performance.now();
        this.#reported = this.#state.progress;
        if (rev !== '') {
          const answer = await this.#o.machine.link.report({ rev, ...this.#state }, signal);
          // The order call is answered by itself when the order changes; it is asked again only if it seems to be lost.
          strangeAnswers = answer.rev === rev ? 0 : strangeAnswers + 1;
          if (strangeAnswers >= 2) this.#poll.abort();
        }
        if (isServerAway) this.#o.say('the server is back');
        isServerAway = false;
      } catch (error) {
        signal.throwIfAborted();
        if (!isAway(error)) throw error;
        if (!isServerAway) this.#o.say(`the server does not answer, trying again: ${(error as Error).message}`);
        isServerAway = true;
      }
      await this.#nudge.wait(HEARTBEAT_MS, signal);
    }
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    await this.#stopActivity();
    await this.#job?.close();
    this.#job = undefined;
    await this.#checkUp?.close();
    this.#checkUp = undefined;
  }

  async #obey(order: Order): Promise<void> {
    if (isSameWork(this.#order, order)) {
      this.#order = order;
      return;
    }
    await this.#stopActivity();
    if (this.#job !== undefined && !(order.kind === 'deploy' && this.#job.isOf(order))) {
      await this.#job.close();
      this.#job = undefined;
    }
    if (this.#checkUp !== undefined && !(order.kind === 'check' && this.#checkUp.isOf(order))) {
      await this.#checkUp.close();
      this.#checkUp = undefined;
    }
    this.#order = order;
    this.#state = idle;
    this.#o.say(describeOrder(order));
    if (order.kind === 'capture') this.#start((signal, onProgress) => this.#capture(order, signal, onProgress));
    else if (order.kind === 'check') this.#start((signal) => this.#check(order, signal));
    else if (order.kind === 'audit') this.#start((signal, onProgress) => this.#audit(order, signal, onProgress));
    else if (order.kind === 'wipe') this.#start((signal, onProgress) => this.#wipe(order, signal, onProgress));
    else if (order.kind === 'deploy' && (order.step !== 'hold' || order.probe !== undefined)) {
      this.#start((signal, onProgress) => this.#deploy(order, signal, onProgress));
    }
    this.#nudge.give();
  }

  async #capture(order: CaptureOrder, signal: AbortSignal, onProgress: (p: Progress) => void): Promise<Partial<State>> {
    const { machine, runCapture } = this.#o;
    const { disks } = await machine.readInventory();
    const wanted = findDisks(disks, [order.disk, ...(order.moreDisks ?? [])]);
    for (const disk of wanted) await requireUnused(disk, 'read');
    const { link } = machine;
    const keys = await readSecrets(order, link, signal);
    try {
      return { captureResult: await runCapture(order, { disks: wanted, link, keys, signal, onProgress }) };
    } finally {
      forgetSecrets(keys);
    }
  }

  async #audit(order: AuditOrder, signal: AbortSignal, onProgress: (p: Progress) => void): Promise<Partial<State>> {
    const auditResult = await runAudit(order, { machine: this.#o.machine, signal, onProgress });
    return this.#withProblem({ auditResult }, auditResult);
  }

  async #check(order: CheckOrder, signal: AbortSignal): Promise<Partial<State>> {
    this.#checkUp ??= new CheckJob(order, this.#o.machine);
    const checkResult = await this.#checkUp.run(order, signal);
    return checkResult === undefined ? {} : { checkResult };
  }

  async #wipe(order: WipeOrder, signal: AbortSignal, onProgress: (p: Progress) => void): Promise<Partial<State>> {
    const wipeResult = await runWipe(order, { machine: this.#o.machine, signal, onProgress });
    return wipeResult === undefined ? {} : this.#withProblem({ wipeResult }, wipeResult);
  }

  async #deploy(order: DeployOrder, signal: AbortSignal, onProgress: (p: Progress) => void): Promise<Partial<State>> {
    if (order.probe !== undefined) return this.#listen(order.probe, signal, onProgress);
    this.#job ??= new DeployJob(order, this.#o.machine);
    const deployResult = await this.#job.run(order, signal, onProgress);
    return deployResult === undefined ? {} : this.#withProblem({ deployResult }, deployResult);
  }

  /** One that has failed with some of its disks: what became of the others is told all the same. */
  #withProblem(state: Partial<State>, result: Parameters<typeof problemOf>[0]): Partial<State> {
    const problem = problemOf(result);
    return problem === undefined ? state : { ...state, ...this.#failed(problem) };
  }

  async #listen(probe: ProbeOrder, signal: AbortSignal, onProgress: (p: Progress) => void): Promise<Partial<State>> {
    const name = this.#job?.interfaceName ?? (await this.#o.machine.readInventory()).interface;
    const isListening = { phase: 'probe', doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };
    const { heard, of, spanMs } = await listenToProbe(probe, name, signal, () => onProgress(isListening));
    return { probe: { nonce: probe.nonce, heard, of, spanMs: Math.round(spanMs) } };
  }

  #start(action: (signal: AbortSignal, onProgress: (p: Progress) => void) => Promise<Partial<State>>): void {
    const controller = new AbortController();
    this.#state = { status: 'working' };
    const onProgress = (progress: Progress) => {
      this.#state = { ...this.#state, progress };
      const isDue = performance.now() - this.#reportedMs >= PROGRESS_MS;
      if (isDue || progress.phase === 'probe' || isPressing(this.#reported?.stream, progress.stream))
        this.#nudge.give();
    };
    const ended = action(controller.signal, onProgress).then(
      (result) => this.#end({ ...this.#state, status: 'done', ...result }),
      (error: unknown) => {
        if (!controller.signal.aborted) this.#end({ ...this.#state, ...this.#failed(error) });
      },
    );
    this.#activity = { controller, ended };
  }

  #failed(error: unknown): State {
    const body = errorBodyOf(error, this.#o.hostName);
    this.#o.machine.log.warn({ err: error }, body.message);
    this.#o.say(`failed: ${body.message}`);
    const words = error instanceof FinisherFailure ? { finisherResults: [...error.results] } : {};
    return { status: 'failed', error: body, ...words };
  }

  #end(state: State): void {
    this.#state = state;
    this.#nudge.give();
  }

  async #stopActivity(): Promise<void> {
    this.#activity?.controller.abort();
    await this.#activity?.ended;
    this.#activity = undefined;
  }
}

/** The error as it is reported: what was thrown deep inside does not know which host it is on. */
export function errorBodyOf(error: unknown, host: string): ErrorBody {
  const known =
    error instanceof KnownError
      ? error
      : knownError('AGENT_FAILED', { reason: error instanceof Error ? error.message : String(error) });
  const { code, message, next } = known;
  return { code, message: message.replaceAll('{host}', host), next: next.replaceAll('{host}', host) };
}
