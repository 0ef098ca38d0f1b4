/** What the admin changes of a session that runs: when it starts, and which hosts take part. */

import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import type { AddedHosts, SessionSettings } from '#protocol/admin/session-change-api.ts';
import { type DiskIdentity, identityOf, isSameDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { isTaskEnded } from '#protocol/states.ts';
import { disksOf } from '#protocol/twin.ts';
import type { Clock } from '#system/clock.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { AgentCalls } from './agent-calls.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import type { Planner } from './planner.ts';
import type { RunningSessions } from './running-sessions.ts';
import type { SessionRunner } from './session-runner.ts';
import { sayStart } from './session-text.ts';

export interface SessionChangesOptions {
  readonly running: RunningSessions;
  readonly runner: SessionRunner;
  readonly table: SessionTable;
  readonly planner: Planner;
  readonly agents: AgentCalls;
  readonly hosts: Pick<Hosts, 'get' | 'resolve'>;
  readonly events: EventLog;
  readonly clock: Clock;
  view(sessionId: number): SessionView;
}

export class SessionChanges {
  #options: SessionChangesOptions;

  constructor(options: SessionChangesOptions) {
    this.#options = options;
  }

  /** Changes when it begins; a deadline counts from now. Throws SESSION_UNKNOWN, SESSION_ENDED, SESSION_NOT_GATHERING. */
  set(sessionId: number, { start }: SessionSettings): SessionView {
    const { runner, table, events, clock } = this.#options;
    const live = this.#deployment(sessionId);
    const { row } = live;
    requireGathering(live);
    const nowMs = clock.nowMs();
    table.transaction(() => {
      table.setStart(sessionId, start, nowMs);
      events.add({ subject: 'session', action: 'start-set', text: sayStart(sessionId, start), sessionId });
    });
    live.row = { ...row, request: { ...row.request, start }, isStartNow: false, startSetMs: nowMs };
    live.gatheringAtMs = clock.steadyMs();
    runner.settle(live);
    return this.#options.view(sessionId);
  }

  /** Begins with whoever is ready. May be repeated while it gathers. Throws SESSION_UNKNOWN, SESSION_ENDED, SESSION_NOT_DEPLOY, SESSION_NOT_GATHERING. */
  startNow(sessionId: number): SessionView {
    const { runner, table, events } = this.#options;
    const live = this.#deployment(sessionId);
    requireGathering(live);
    if (!live.row.isStartNow) {
      table.transaction(() => {
        table.setStartNow(sessionId);
        const text = `Session ${sessionId} starts with whoever is ready`;
        events.add({ subject: 'session', action: 'start-now', text, sessionId });
      });
      live.row = { ...live.row, isStartNow: true };
    }
    runner.settle(live);
    return this.#options.view(sessionId);
  }

  /** What adding these hosts would do to them. Throws SESSION_HAS_HOSTS, SESSION_NOT_DEPLOY, and what Planner.plan throws. */
  planAdd(sessionId: number, added: AddedHosts): Promise<DeployPlan> {
    const { row, tasks } = this.#deployment(sessionId);
    const chosen = this.#options.hosts.resolve(added.hosts, added.groups);
    const isIn = ({ hostId }: HostView) =>
      tasks.values().some((task) => task.row.hostId === hostId && mayNotJoin(task));
    const hosts = chosen.filter((host) => !isIn(host)).map((host) => host.name);
    if (chosen.length > 0 && hosts.length === 0) throw knownError('SESSION_HAS_HOSTS', { session: sessionId });
    const disk = added.disk ?? row.request.disk;
    const { waves: _, ...policy } = row.request;
    const request: DeployRequest = { ...policy, image: `${row.image}@${row.version}`, hosts, groups: [] };
    return this.#options.planner.plan(disk === undefined ? request : { ...request, disk });
  }

  /** Late hosts are hosts with more holes. Throws PLAN_CHANGED, PLAN_REFUSED, HOST_BUSY, SESSION_ENDED, and all of planAdd. */
  async add(sessionId: number, added: AddedHosts): Promise<SessionView> {
    const { running, runner, table, events, clock, agents } = this.#options;
    const plan = await this.planAdd(sessionId, added);
    const tasks = await this.#options.planner.tasksOf(plan, added, this.#deployment(sessionId).row.request.grow);
    // The session may have ended, and a host may have begun something else, while the plan was made.
    const live = this.#deployment(sessionId);
    running.requireFree(tasks);
    const rows = table.transaction(() => {
      const names = tasks.map(({ host }) => host).join(', ');
      events.add({
        subject: 'session',
        action: 'hosts-added',
        text: `Session ${sessionId} takes ${names} too`,
        sessionId,
      });
      const wave = live.lastWave();
      return table.insertTasks(
        sessionId,
        tasks.map((task) => ({ ...task, wave })),
        clock.nowMs(),
      );
    });
    running.addTasks(live, rows);
    for (const { hostId } of tasks) agents.taskBegan(hostId);
    runner.settle(live);
    return this.#options.view(sessionId);
  }

  /** Releases these hosts, all or none; the others go on. Throws HOST_UNKNOWN, HOST_NOT_IN_SESSION, SESSION_UNKNOWN, SESSION_ENDED. */
  remove(sessionId: number, refs: readonly string[]): SessionView {
    const { runner, hosts } = this.#options;
    const live = this.#options.running.get(sessionId);
    const chosen = new Map(refs.map((ref) => hosts.get(ref)).map((host) => [this.#runningTask(live, host), host]));
    runner.moveTasks(
      live,
      [...chosen].map(([task, host]) => {
        const values = {
          host: host.name,
          session: sessionId,
          content: disksOf(task.row)
            .map((disk) => contentOf(host, disk))
            .join('; '),
        };
        return { task, move: { to: 'cancelled', error: knownError('HOST_REMOVED', values).toBody() } };
      }),
    );
    runner.settle(live);
    return this.#options.view(sessionId);
  }

  #runningTask(live: LiveSession, { hostId, name }: HostView): LiveTask {
    const found = live.tasks.values().find(({ row }) => row.hostId === hostId && !isTaskEnded(row.state));
    if (found === undefined) throw knownError('HOST_NOT_IN_SESSION', { host: name, session: live.row.sessionId });
    return found;
  }

  #deployment(sessionId: number) {
    const live = this.#options.running.get(sessionId);
    const { row } = live;
    if (row.kind !== 'deploy') throw knownError('SESSION_NOT_DEPLOY', { session: sessionId, kind: row.kind });
    return live as LiveSession & { row: typeof row };
  }
}

function requireGathering({ row: { sessionId, state } }: LiveSession): void {
  if (state === 'planned' || state === 'gathering') return;
  throw knownError('SESSION_NOT_GATHERING', { session: sessionId, state });
}

/** A host that has failed, or was taken out, may try again. */
function mayNotJoin({ row }: LiveTask): boolean {
  return !isTaskEnded(row.state) || row.state === 'succeeded';
}

/** What the server knows of the disk that a task was about. */
function contentOf({ inventory }: HostView, disk: DiskIdentity): string {
  const found = inventory?.disks.find((one) => isSameDisk(identityOf(one), disk));
  return found?.content || 'nothing known';
}
