/**
 * The doctor: looks at the server, wakes hosts if told to, has all that wait in the agent listen to one multicast probe and measure
 * themselves, and tells what it found as soon as it knows. A restart of the daemon forgets it; the hosts that it woke then wait in the agent.
 */
import { randomBytes } from 'node:crypto';
import type { DoctorLine, DoctorRequest } from '#protocol/admin/doctor-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { Report } from '#protocol/agent-api.ts';
import type { CheckContent, CheckStep } from '#protocol/check.ts';
import { knownError } from '#protocol/errors.ts';
import { PROBE_DATAGRAM_BYTES, type ProbeOrder } from '#protocol/probe.ts';
import type { Clock } from '#system/clock.ts';
import type { Config } from '../config.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { DeploymentNetwork } from '../network.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { sendProbe } from '../transfer/probe.ts';
import { type HostFacts, judgeHost } from './host-rules.ts';
import { limits } from './limits.ts';
import { lookAtServer } from './server-facts.ts';
import { judgeServer, type ServerFacts } from './server-rules.ts';

export interface DoctorOptions {
  readonly config: Config;
  readonly hosts: Pick<Hosts, 'resolve' | 'list' | 'byId'>;
  readonly sessions: Pick<Sessions, 'agents' | 'power' | 'running'>;
  readonly waker: { wake(host: HostView): Promise<void> };
  readonly events: EventLog;
  readonly clock: Clock;
  readonly network: DeploymentNetwork;
  /** Stand-ins in tests that need no network. */
  readonly look?: () => Promise<ServerFacts>;
  readonly send?: typeof sendProbe;
}

type Tell = (line: DoctorLine) => void;

/** A probe as it went out. */
interface Sent {
  readonly count: number;
  readonly mbit: number;
}

/** How often it looks whether a woken host has come, in ms. */
const COME_POLL_MS = 500;

export class Doctor {
  readonly #o: DoctorOptions;
  readonly #stopping = new AbortController();
  /** Hosts that were woken and have not come yet, or are not released yet, by id. */
  readonly #called = new Set<number>();
  #running: Promise<void> | undefined;

  constructor(o: DoctorOptions) {
    this.#o = o;
  }

  /** The host is to boot the agent. */
  isCalled(hostId: number): boolean {
    return this.#called.has(hostId);
  }

  /** Ends what runs, and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
  }

  /**
   * Begins, and resolves when everything has been told; rejects with AbortError when the signal fires. All approved hosts when none is named.
   * Throws HOST_UNKNOWN, GROUP_UNKNOWN, GROUP_EMPTY, DOCTOR_BUSY at once.
   */
  begin(request: DoctorRequest, signal: AbortSignal, tell: Tell): Promise<void> {
    if (this.#running !== undefined) throw knownError('DOCTOR_BUSY');
    const isNamed = request.hosts.length > 0 || request.groups.length > 0;
    const { hosts, events } = this.#o;
    const chosen = isNamed
      ? hosts.resolve(request.hosts, request.groups)
      : hosts.list().filter(({ approval }) => approval === 'approved');
    const until = AbortSignal.any([signal, this.#stopping.signal]);
    events.add({
      subject: 'daemon',
      action: 'doctor',
      text: `The doctor looks at the server and ${chosen.length} hosts`,
    });
    this.#running = this.#run(chosen, request, until, tell).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(chosen: readonly HostView[], request: DoctorRequest, signal: AbortSignal, tell: Tell): Promise<void> {
    tell({ doing: 'looking at the server, and listening for DHCP servers and an IGMP querier' });
    const { config, clock } = this.#o;
    const look = this.#o.look ?? (() => lookAtServer({ config, isDaemon: true, clock, signal }));
    const facts = await look();
    for (const finding of judgeServer(facts)) tell({ finding });
    const serverMtu = facts.link !== undefined && 'mtu' in facts.link ? facts.link.mtu : undefined;
    const tellHost = (host: HostView, found: HostFacts) => {
      for (const finding of judgeHost(host.name, found)) tell({ finding });
    };

    const present: HostView[] = [];
    const asleep: HostView[] = [];
    for (const host of chosen) {
      const session = this.#o.sessions.running.sessionOf(host.hostId);
      if (host.approval === 'pending') tellHost(host, { state: 'pending' });
      else if (session !== undefined) tellHost(host, { state: 'busy', session });
      else if (this.#isThere(host.hostId)) present.push(host);
      else if (request.wake) asleep.push(host);
      else tellHost(host, { state: 'asleep' });
    }
    try {
      const woken = asleep.length === 0 ? [] : await this.#wake(asleep, signal, tell);
      for (const host of asleep) if (!woken.includes(host)) tellHost(host, { state: 'absent' });
      const ready = [...present, ...woken];
      if (ready.length > 0) await this.#check(ready, serverMtu, signal, tell, tellHost);
    } finally {
      for (const host of asleep) this.#release(host, request.onDone);
    }
    tell({ done: true });
  }

  #isThere(hostId: number): boolean {
    const { hosts, sessions } = this.#o;
    return hosts.byId(hostId)?.presence === 'agent' && !sessions.agents.hasLeft(hostId);
  }

  /** Sends magic packets again and again until all agents are there, or the time for gathering is over; gives those that came. */
  async #wake(asleep: readonly HostView[], signal: AbortSignal, tell: Tell): Promise<HostView[]> {
    const { clock, waker, config } = this.#o;
    const { gatherDeadlineS, wakeIntervalS } = config.session;
    for (const { hostId } of asleep) this.#called.add(hostId);
    const deadlineMs = clock.steadyMs() + gatherDeadlineS * 1000;
    let wakeAtMs = clock.steadyMs();
    let told = '';
    for (;;) {
      const missing = asleep.filter(({ hostId }) => !this.#isThere(hostId));
      if (missing.length === 0 || clock.steadyMs() >= deadlineMs) break;
      const doing = `waiting for ${missing.map(({ name }) => name).join(', ')}`;
      if (doing !== told) tell({ doing });
      told = doing;
      if (clock.steadyMs() >= wakeAtMs) {
        wakeAtMs = clock.steadyMs() + wakeIntervalS * 1000;
        // What cannot be sent shows as a host that does not come.
        await Promise.allSettled(missing.map((host) => waker.wake(host)));
      }
      await clock.sleep(COME_POLL_MS, signal);
    }
    return asleep.filter(({ hostId }) => this.#isThere(hostId));
  }

  #release({ hostId, name }: HostView, onDone: DoctorRequest['onDone']): void {
    this.#called.delete(hostId);
    const { sessions } = this.#o;
    // One that a session has taken meanwhile is the session's.
    if (onDone === 'stay' || sessions.running.sessionOf(hostId) !== undefined || !this.#isThere(hostId)) return;
    sessions.power.order(name, onDone);
  }

  /** All listen, then the probe goes out, then each measures itself and is told of when it is done. */
  async #check(
    ready: readonly HostView[],
    serverMtu: number | undefined,
    signal: AbortSignal,
    tell: Tell,
    tellHost: (host: HostView, facts: HostFacts) => void,
  ): Promise<void> {
    const { checks } = this.#o.sessions.agents;
    const probe = this.#planProbe();
    const contentOf = (step: CheckStep): CheckContent => ({
      ...{ checkId: checkId, step, diskBytes: limits.diskReadBytes, diskMs: limits.diskReadMs },
      ...(probe === undefined ? {} : { probe }),
    });
    const checkId = randomBytes(8).toString('hex');
    try {
      tell({ doing: `${countOf(ready.length)} listen to a multicast probe` });
      const listening = await this.#askAll(ready, contentOf('listen'), limits.listenLimitMs, signal);
      const sent = probe === undefined ? undefined : await this.#send(probe, signal);
      tell({ doing: `${countOf(ready.length)} measure their links and disks` });
      await Promise.all(
        ready.map(async (host) => {
          const isListening = listening.get(host.hostId) !== undefined;
          const report = isListening
            ? await this.#ask(host, contentOf('measure'), limits.measureLimitMs, signal)
            : undefined;
          tellHost(host, this.#factsOf(host, report, sent, serverMtu));
          checks.drop(host.hostId);
        }),
      );
    } finally {
      for (const { hostId } of ready) checks.drop(hostId);
    }
    signal.throwIfAborted();
  }

  async #askAll(hosts: readonly HostView[], content: CheckContent, limitMs: number, signal: AbortSignal) {
    const reports = await Promise.all(
      hosts.map(async (host) => [host.hostId, await this.#ask(host, content, limitMs, signal)] as const),
    );
    return new Map(reports);
  }

  async #ask(
    { hostId }: HostView,
    content: CheckContent,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<Report | undefined> {
    const { clock, sessions } = this.#o;
    const limit = new AbortController();
    const answered = new AbortController();
    const timer = clock.sleep(limitMs, AbortSignal.any([signal, answered.signal])).then(
      () => limit.abort(),
      () => undefined,
    );
    try {
      return await sessions.agents.checks.ask(hostId, content, AbortSignal.any([signal, limit.signal]));
    } finally {
      answered.abort();
      await timer;
    }
  }

  /** None while a session runs: its cast would suffer, and so would the probe. */
  #planProbe(): ProbeOrder | undefined {
    if (this.#o.sessions.running.anySession() !== undefined) return undefined;
    const { portLast, dataAddressBase } = this.#o.config.cast;
    const nonce = randomBytes(8).toString('hex');
    // Listening ends with the next order; this is for a server that has gone.
    const listenMs = limits.listenLimitMs + limits.measureLimitMs;
    return { nonce, group: dataAddressBase, port: portLast + 1, count: limits.probeDatagrams, listenMs };
  }

  /** How fast it really went: the link of the server may be slower. */
  async #send(probe: ProbeOrder, signal: AbortSignal): Promise<Sent> {
    const { config, clock, network } = this.#o;
    await clock.sleep(limits.joinSettleMs, signal);
    const mbit = Math.min(config.cast.maxMbit ?? limits.probeMbit, limits.probeMbit);
    const beganMs = performance.now();
    const send = this.#o.send ?? sendProbe;
    await send(probe, { address: network.address, ttl: config.cast.ttl, mbit, clock }, signal);
    const seconds = Math.max(performance.now() - beganMs, 1) / 1000;
    await clock.sleep(limits.probeSettleMs, signal);
    const reached = (probe.count * PROBE_DATAGRAM_BYTES * 8) / 1e6 / seconds;
    return { count: probe.count, mbit: Math.min(mbit, reached) };
  }

  #factsOf(
    { hostId }: HostView,
    report: Report | undefined,
    probe: Sent | undefined,
    serverMtu: number | undefined,
  ): HostFacts {
    const session = this.#o.sessions.running.sessionOf(hostId);
    if (session !== undefined) return { state: 'busy', session };
    if (report?.status === 'failed')
      return {
        state: 'failed',
        error: report.error ?? knownError('AGENT_FAILED', { host: '', reason: 'it does not say why' }).toBody(),
      };
    const result = report?.checkResult;
    if (result === undefined) return { state: 'gone' };
    return { state: 'measured', result, clockOffsetMs: result.nowMs - this.#o.clock.nowMs(), serverMtu, probe };
  }
}

function countOf(hosts: number): string {
  return hosts === 1 ? 'one host' : `${hosts} hosts`;
}
