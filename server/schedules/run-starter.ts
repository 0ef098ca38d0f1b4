/** Brings one run of a schedule from its time to its session: which hosts, are they idle, is there time, go. */

import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import type { ScheduleRun } from '#protocol/admin/schedule-api.ts';
import { KnownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { ScheduleRow, ScheduleTable } from '../db/schedule-table.ts';
import type { Catalog } from '../images/catalog.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { chooseHosts } from './cycle.ts';
import { askIdle, type HookHost } from './idle-hook.ts';
import { listNames, sayOfSchedule } from './run-text.ts';
import { lastCallOf } from './window.ts';

export interface RunStarterOptions {
  readonly config: Pick<Config, 'schedule'>;
  readonly hosts: Pick<Hosts, 'resolve'>;
  readonly events: EventLog;
  readonly catalog: Pick<Catalog, 'resolve'>;
  readonly sessions: Pick<Sessions, 'planDeploy' | 'startDeploy'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Throws STORE_PRUNING. */
  readonly requireNoPrune: () => void;
}

/** While the store is pruned no session begins; looked at again after so long, in ms. */
const PRUNE_LOOK_MS = 1000;
/** A plan that changed between its making and its start is made again, so often. */
const PLAN_TRIES = 3;

export class RunStarter {
  #options: RunStarterOptions;
  #table: ScheduleTable;

  constructor(options: RunStarterOptions, table: ScheduleTable) {
    this.#options = options;
    this.#table = table;
  }

  /** Ends with a session, or with a run that says why there is none. Never throws; a daemon that stops leaves the run as it is. */
  async start(row: ScheduleRow, run: ScheduleRun, signal: AbortSignal): Promise<void> {
    try {
      await this.#begin(row, run, signal);
    } catch (error) {
      const present = this.#table.run(run.runId);
      const isKnown = error instanceof KnownError;
      if (!isKnown && !signal.aborted) {
        this.#options.log.error({ err: error, schedule: row.name }, 'a run cannot begin');
      }
      // A run that came to its session is followed; a daemon that stops takes the others up when it is back.
      if (signal.aborted || present.state !== 'starting') return;
      const body = isKnown ? { error: error.toBody() } : {};
      this.end({ ...present, ...body }, 'skipped', (error as Error).message);
    }
  }

  /** Ends a run that has no session that runs, with its event. */
  end(run: ScheduleRun, state: 'ended' | 'skipped' | 'missed', text: string): void {
    const { clock, events } = this.#options;
    this.#table.transaction(() => {
      this.#table.updateRun({ ...run, state, text, endedMs: clock.nowMs() });
      const { schedule, sessionId, error } = run;
      events.add({ subject: 'schedule', action: state, text: sayOfSchedule(schedule, text), sessionId, error });
    });
  }

  async #begin(row: ScheduleRow, run: ScheduleRun, signal: AbortSignal): Promise<void> {
    const { hosts, catalog, clock } = this.#options;
    const { deploy } = row.spec;
    const targets = hosts.resolve(deploy.hosts, deploy.groups);
    const { manifestId } = catalog.resolve(deploy.image).version;
    const isByHand = run.kind === 'by-hand';
    const choice = chooseHosts({
      targets,
      before: isByHand ? undefined : this.#table.lastSessionRun(row.scheduleId),
      manifestId,
      doneHostIds: isByHand ? new Set() : this.#table.doneHosts(row.scheduleId, run.dueMs),
    });
    if (choice.hosts.length === 0) return this.end(run, 'skipped', 'every host has been done at this time');
    const busy = await this.#whoIsBusy(row, targets, choice.hosts, signal);
    const leftOut = [...busy].map(([host, reason]) => ({ host, reason }));
    const idle = choice.hosts.filter((host) => !busy.has(host));
    const chosen = { ...run, isRest: choice.isRest, leftOut };
    if (idle.length === 0) return this.end(chosen, 'skipped', `no host is idle (${listNames(leftOut)})`);
    const request = { ...deploy, hosts: idle, groups: [], skipRefused: true };
    for (let tries = 1; ; tries++) {
      await this.#untilNoPrune(signal);
      const plan = await this.#options.sessions.planDeploy(request);
      signal.throwIfAborted();
      const planned = withPlan(chosen, plan);
      if (plan.hosts.every((host) => host.refused !== undefined)) {
        return this.end(planned, 'skipped', `no host can take part (${listNames(planned.leftOut)})`);
      }
      if (planned.lastCallMs !== undefined && clock.nowMs() >= planned.lastCallMs) {
        const text = `the rest of the window is shorter than the expected time, ${plan.expectedSeconds} s`;
        return this.end(planned, 'skipped', text);
      }
      try {
        return await this.#startSession(planned, { ...request, planId: plan.planId });
      } catch (error) {
        const isChanged = error instanceof KnownError && error.code === 'PLAN_CHANGED';
        if (!isChanged || tries === PLAN_TRIES) throw error;
      }
    }
  }

  /** The run is running from the very transaction that makes its session: no kill can part them. */
  async #startSession(run: ScheduleRun, request: DeployRequest): Promise<void> {
    const { sessions, events, clock } = this.#options;
    await sessions.startDeploy(request, (sessionId) => {
      const out = run.leftOut.length === 0 ? '' : `; left out: ${listNames(run.leftOut)}`;
      const text = `${run.isRest ? 'goes on with what the window had left over' : 'begins'}: session ${sessionId}${out}`;
      this.#table.updateRun({ ...run, state: 'running', startedMs: clock.nowMs(), sessionId, text });
      events.add({ subject: 'schedule', action: 'began', text: sayOfSchedule(run.schedule, text), sessionId });
    });
  }

  async #whoIsBusy(
    row: ScheduleRow,
    targets: readonly HostView[],
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, string>> {
    const { ifIdle: hook } = row.spec;
    if (hook === undefined) return new Map();
    const { hooksDir, hookLimitS } = this.#options.config.schedule;
    const asked = targets.filter((host) => names.includes(host.name)).map(toHookHost);
    return askIdle(asked, { folder: hooksDir, hook, limitMs: hookLimitS * 1000, signal });
  }

  async #untilNoPrune(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return this.#options.requireNoPrune();
      } catch (error) {
        if (!(error instanceof KnownError)) throw error;
        await this.#options.clock.sleep(PRUNE_LOOK_MS, signal);
      }
    }
  }
}

function withPlan(run: ScheduleRun, plan: DeployPlan): ScheduleRun {
  const refused = plan.hosts.flatMap(({ host, refused: error }) =>
    error === undefined ? [] : [{ host, reason: error.message }],
  );
  const { version, manifestId } = plan;
  return {
    ...run,
    ...{ version, manifestId },
    leftOut: [...run.leftOut, ...refused],
    ...(run.untilMs === undefined ? {} : { lastCallMs: lastCallOf(run.untilMs, plan.expectedSeconds) }),
  };
}

function toHookHost({ name, address, inventory, macs }: HostView): HookHost {
  return { name, address: address ?? inventory?.address ?? '', mac: macs[0] ?? '' };
}
