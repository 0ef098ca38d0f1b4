/**
 * Sees to it that nobody holds a cast back: hosts that are known to be slow stay out of it, stragglers leave it, and hosts that
 * udp-sender has dropped say what they lack. All of them are repaired afterwards.
 */
import type { Progress } from '#protocol/agent-api.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { Parking } from '../db/task-row.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { SenderWait } from '../transfer/cast.ts';
import type { TaskMove } from './decide-task.ts';
import type { Facts } from './facts.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { bytesPerSecondOf } from './pass-cost.ts';
import type { ProbePaths } from './probe-paths.ts';
import { sayDropped, sayMbit, sayParked, saySetAside, sayVerdict } from './session-text.ts';
import { chooseSetAside, type SetAsideFacts } from './set-aside.ts';
import type { Wire } from './slow-cable.ts';
import type { Straggler } from './straggler.ts';
import { type CableVerdict, StragglerWatch } from './straggler-watch.ts';

export interface ParkingsOptions {
  readonly config: Config;
  readonly table: Pick<SessionTable, 'setParking'>;
  readonly hosts: Pick<Hosts, 'byId'>;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly facts: Pick<Facts, 'wireOf'>;
  moveTasks(live: LiveSession, moves: readonly { task: LiveTask; move: TaskMove }[]): void;
}

export class Parkings {
  readonly #options: ParkingsOptions;
  readonly #stragglers: StragglerWatch;

  constructor(options: ParkingsOptions) {
    this.#options = options;
    const { clock, log, config } = options;
    this.#stragglers = new StragglerWatch({
      ...{ rule: config.cast, clock, log },
      addressOf: (hostId) => this.#addressOf(hostId),
      wireOf: (live, tasks) => heldTo(live.pass?.maxMbit, this.#wireOf(live, tasks)),
    });
  }

  /** Ready hosts that a cast of so many stored bytes begins with; those whose inventory names a slow link are served after it. */
  setAsideSlowLinks(live: LiveSession, tasks: readonly LiveTask[], castBytes: number): LiveTask[] {
    const links = tasks.map(({ row }) => this.#options.hosts.byId(row.hostId)?.inventory?.linkMbit);
    const hostBytesPerSecond = links.map((mbit) => mbit && bytesPerSecondOf(mbit));
    const found = this.#setAside(
      tasks,
      { hostBytesPerSecond, castBytes, wire: this.#wireOf(live, tasks) },
      (i) => `has a link of ${links[i]} Mbit/s`,
    );
    return tasks.filter((_, i) => !found.includes(i));
  }

  /** The same for those that have heard two probes slowly. */
  setAsideSlowPaths(live: LiveSession, tasks: readonly LiveTask[], castBytes: number, paths: ProbePaths): void {
    const hostBytesPerSecond = tasks.map(({ row }) => paths.slow.get(row.taskId));
    const { usualBytesPerSecond } = paths;
    const { seenBytesPerSecond, promisedBytesPerSecond } = this.#wireOf(live, tasks);
    // What waited in a socket's buffer seems to have come at once: no path is quicker than the links.
    const wire = { seenBytesPerSecond, promisedBytesPerSecond: Math.min(promisedBytesPerSecond, usualBytesPerSecond) };
    this.#setAside(
      tasks,
      { hostBytesPerSecond, castBytes, wire },
      (i) => `hears a probe at ${sayMbit(hostBytesPerSecond[i]!)}, the others at ${sayMbit(usualBytesPerSecond)}`,
    );
  }

  /** Places of those that are set aside. */
  #setAside(tasks: readonly LiveTask[], facts: SetAsideFacts, say: (place: number) => string): readonly number[] {
    // Those that were parked before are among themselves.
    if (tasks.some(({ row }) => row.parking !== undefined)) return [];
    const found = chooseSetAside(facts, this.#options.config.cast);
    for (const i of found?.hosts ?? []) {
      const { hostId, host, sessionId } = tasks[i]!.row;
      const bytesPerSecond = Math.round(facts.hostBytesPerSecond[i]!);
      this.#setParking(tasks[i]!, { cause: 'cable', bytesPerSecond, times: 1 });
      const text = saySetAside(`${host} ${say(i)}`, found!);
      this.#options.events.add({ subject: 'task', action: 'parked', text, sessionId, hostId, host });
    }
    return found?.hosts ?? [];
  }

  /** Notes a report of a host that hears the running cast. */
  noteProgress(live: LiveSession, task: LiveTask, progress: Progress | undefined): void {
    this.#stragglers.note(live, task, progress);
  }

  /** udp-sender has said whom it waited for. */
  noteWait(live: LiveSession, wait: SenderWait): void {
    this.#stragglers.noteWait(live, wait);
    this.look(live);
  }

  /** udp-sender waits no more for the host with this address: it need not wait for its own time-out to say what it lacks. */
  noteDropped(live: LiveSession, address: string): void {
    const task = live.tasksIn('receiving').find(({ row }) => this.#addressOf(row.hostId) === address);
    if (task === undefined || live.pass?.lackedBefore.has(task.row.taskId) !== true) return;
    const move = { to: 'preparing', action: 'dropped', why: sayDropped(task.row.host) } as const;
    this.#options.moveTasks(live, [{ task, move }]);
  }

  /** Whoever holds the running cast back leaves it: it writes what it has, says what it lacks, and is repaired afterwards. */
  look(live: LiveSession): void {
    const { park, verdict } = this.#stragglers.look(live);
    if (verdict !== undefined) this.#noteVerdict(live, verdict);
    if (park.length === 0) return;
    this.#options.moveTasks(
      live,
      park.map((straggler) => moveOfParked(live.tasks.get(straggler.taskId)!, straggler)),
    );
    this.#stragglers.noteParked(live, park);
  }

  /** A host that was parked for nothing is like any other again. */
  #noteVerdict(live: LiveSession, verdict: CableVerdict): void {
    const tasks = verdict.taskIds.map((taskId) => live.tasks.get(taskId)!);
    if (!verdict.hasHelped) for (const task of tasks) this.#setParking(task, undefined);
    const hosts = tasks.map(({ row }) => row.host);
    const action = verdict.hasHelped ? 'quicker' : 'no-quicker';
    const { sessionId } = live.row;
    this.#options.events.add({ subject: 'cast', action, text: sayVerdict(hosts, verdict), sessionId });
  }

  #setParking(task: LiveTask, parking: Parking | undefined): void {
    this.#options.table.setParking(task.row.taskId, parking);
    const { parking: _before, ...row } = task.row;
    task.row = parking === undefined ? row : { ...row, parking };
  }

  #wireOf(live: LiveSession, tasks: readonly LiveTask[]): Wire {
    return this.#options.facts.wireOf(live, tasks);
  }

  #addressOf(hostId: number): string | undefined {
    return this.#options.hosts.byId(hostId)?.inventory?.address;
  }
}

/** Nobody's leaving makes a cast quicker than udp-sender may send. */
function heldTo(maxMbit: number | undefined, wire: Wire): Wire {
  if (maxMbit === undefined) return wire;
  return { ...wire, promisedBytesPerSecond: Math.min(wire.promisedBytesPerSecond, bytesPerSecondOf(maxMbit)) };
}

function moveOfParked(task: LiveTask, straggler: Straggler): { task: LiveTask; move: TaskMove } {
  const { cause } = straggler;
  const bytesPerSecond = cause === 'disk' ? straggler.writtenBytesPerSecond : straggler.paceBytesPerSecond;
  const parking = { cause, bytesPerSecond: Math.round(bytesPerSecond), times: (task.row.parking?.times ?? 0) + 1 };
  return { task, move: { to: 'preparing', action: 'parked', parking, why: sayParked(task.row.host, straggler) } };
}
