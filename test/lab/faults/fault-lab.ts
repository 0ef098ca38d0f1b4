/**
 * Plays deployments with faults in one lab: disks are blank before each, the seconds of the others are compared with the clean
 * run of the same lab, survivors are checked by foreign programs, and what came of it is a row of the table.
 */
import assert from 'node:assert/strict';
import { statSync, truncateSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventView } from '#protocol/admin/event-api.ts';
import type { SessionView, TaskView } from '#protocol/admin/session-api.ts';
import { run } from '#system/run.ts';
import { Road, type RoadOptions } from '../road.ts';
import { type FaultId, type FaultRow, matrix, ROW_MARK } from './matrix.ts';

/**
 * Share of the cast that udp-sender has taken when faults are done: it reads about 6 MB ahead of what is on the wire.
 */
export const MID_CAST = 0.6;

const POLL_MS = 50;
/** No bound of the product: only the end of a test that hangs. */
const LIMIT_MS = 240_000;

export interface Play {
  readonly image?: string;
  readonly hosts: readonly string[];
  /** Those that the fault is done to. */
  readonly victims: readonly string[];
  /** Hosts that are off when the session begins. */
  readonly off?: readonly string[];
  readonly options?: readonly string[];
  /** Does the faults. What it waits for it does not outlive: the play ends when the session has ended. */
  readonly faults?: (sessionId: number) => Promise<void>;
}

export interface Played {
  readonly session: SessionView;
  readonly events: readonly EventView[];
  /** From the first byte of the first cast until the last of the others had every chunk, in seconds. */
  readonly othersS: number;
}

export class FaultLab {
  readonly road: Road;
  /** Of the clean run: from the first byte until the last host had every chunk, in seconds. */
  cleanS = 0;

  private constructor(road: Road) {
    this.road = road;
  }

  static async build(t: TestContext, options: RoadOptions): Promise<FaultLab> {
    return new FaultLab(await Road.build(t, options));
  }

  /** The run that the others are compared with. */
  async playClean(hosts: readonly string[]): Promise<void> {
    const { session, othersS } = await this.play({ hosts, victims: [] });
    assert.equal(session.succeeded, hosts.length, JSON.stringify(session.tasks));
    this.cleanS = othersS;
  }

  async play(o: Play): Promise<Played> {
    const sessionId = await this.begin(o);
    try {
      await o.faults?.(sessionId);
      return await this.end(o, sessionId);
    } catch (error) {
      // The plays that follow need the hosts.
      await this.road.lab.fleetcast(['session', 'cancel', String(sessionId)]);
      throw error;
    }
  }

  /** Blank disks, hosts that are there, and a session that has begun. */
  async begin({ image, hosts, off = [], options = [] }: Play): Promise<number> {
    const { lab } = this.road;
    for (const name of hosts) {
      const host = lab.host(name);
      const path = lab.diskOf(host);
      const { size } = statSync(path);
      truncateSync(path, 0);
      truncateSync(path, size);
      if (off.includes(name)) await lab.cutPower(host);
      else if (!lab.isPluggedIn(host)) lab.powerOn(host);
    }
    return this.road.deploy(image ?? this.#image, hosts, ['--on-done', 'stay', ...options]);
  }

  async end(o: Play, sessionId: number): Promise<Played> {
    const isEnded = ({ state }: SessionView) => ['completed', 'failed', 'cancelled'].includes(state);
    const session = await this.road.until(sessionId, 'ended', isEnded, LIMIT_MS);
    const events = (await this.road.lab.get(`/api/v1/events?session=${sessionId}&limit=1000`)) as EventView[];
    return { session, events, othersS: othersSeconds(o, session, events) };
  }

  /** Waits for a task. Throws when the session ends without it. */
  async untilTask(sessionId: number, host: string, what: string, isSo: (task: TaskView) => boolean): Promise<TaskView> {
    const taskOf = ({ tasks }: SessionView) => tasks.find((task) => task.host === host)!;
    const deadline = performance.now() + LIMIT_MS;
    for (;;) {
      const session = await this.road.session(sessionId);
      const task = taskOf(session);
      if (isSo(task)) return task;
      const isOver = ['succeeded', 'failed', 'cancelled'].includes(task.state) || performance.now() > deadline;
      if (isOver) assert.fail(`${host} is not "${what}": ${JSON.stringify(task)}`);
      await delay(POLL_MS);
    }
  }

  /** So much of the first pass is out. */
  async untilSent(sessionId: number, share: number): Promise<void> {
    await this.road.until(sessionId, `${share * 100} % are out`, ({ casts: [cast] }) => {
      return cast !== undefined && (cast.sentBytes >= cast.bytes * share || cast.endedAtMs !== undefined);
    });
  }

  /** All hosts other than these have everything. */
  async untilOthersServed(sessionId: number, victims: readonly string[]): Promise<void> {
    await this.road.until(sessionId, 'the others are served', ({ tasks }) =>
      tasks.every(
        ({ host, state }) => victims.includes(host) || ['verifying', 'finishing', 'succeeded'].includes(state),
      ),
    );
  }

  /**
   * Holds the play to the promises of the matrix and prints a row for each fault of it. A slow machine makes everything slower, so
   * the bounds, which add up, are widened by the clean run's own seconds.
   */
  async conclude(
    t: TestContext,
    victimsOf: Partial<Record<FaultId, readonly string[]>>,
    played: Played,
    judgedByTest: readonly string[] = [],
  ): Promise<void> {
    const { session, othersS } = played;
    const cleanS = this.cleanS;
    const faults = Object.entries(victimsOf) as [FaultId, readonly string[]][];
    for (const task of session.tasks.filter(({ host }) => !judgedByTest.includes(host))) {
      const [fault] = faults.find(([, victims]) => victims.includes(task.host)) ?? [];
      const wanted = fault === undefined ? 'succeeded' : matrix[fault].ends;
      assert.equal(task.state, wanted, `${fault}: ${task.host}: ${JSON.stringify(task)}`);
    }
    const survivors = session.tasks.filter(({ state }) => state === 'succeeded').map(({ host }) => host);
    await this.road.assertDeployed(session.image, survivors);
    const noticedS = othersS - cleanS;
    const boundS = faults.reduce((sum, [fault]) => sum + matrix[fault].boundS, 0);
    for (const [fault, victims] of faults) {
      const ended = [...new Set(victims.map((victim) => endOf(session.tasks.find(({ host }) => host === victim)!)))];
      const together = faults.map(([other]) => other).filter((other) => other !== fault);
      tellRow(t, { fault, together, noticedS, cleanS, ended: ended.join('; ') });
    }
    assert.ok(noticedS <= boundS + cleanS, `the others noticed ${noticedS} s of ${faults.join()}, clean ${cleanS} s`);
  }

  /** What was broken off never boots by accident (docs/decisions/0002). */
  async assertNoTable(hosts: readonly string[]): Promise<void> {
    for (const name of hosts) await this.assertNoTableAt(this.road.lab.diskOf(this.road.lab.host(name)));
  }

  async assertNoTableAt(path: string): Promise<void> {
    const { exitCode } = await run(['sfdisk', '--dump', path], { okCodes: [0, 1] });
    assert.equal(exitCode, 1, `${path} has a partition table`);
  }

  get #image(): string {
    return this.road.images[0]!;
  }
}

/** Says it in the test's output, from where write-table.ts takes it. */
export function tellRow(t: TestContext, row: FaultRow): void {
  const rounded = { ...row, noticedS: Number(row.noticedS.toFixed(1)), cleanS: Number(row.cleanS.toFixed(1)) };
  t.diagnostic(`${ROW_MARK}${JSON.stringify(rounded)}`);
}

/** What became of a host, for the table. */
export function endOf({ state, error, deployResult, parkedBytesPerSecond }: TaskView): string {
  if (error !== undefined) return `${state}: ${error.code}`;
  if (deployResult === undefined) return state;
  const { castBytes, httpBytes, keptBytes = 0 } = deployResult;
  const roads = [
    [castBytes, 'by cast'],
    [httpBytes, 'over HTTP'],
    [keptBytes, 'was there'],
  ] as const;
  const total = castBytes + httpBytes + keptBytes;
  const shares = roads.filter(([bytes]) => bytes > 0).map(([bytes, road]) => `${percent(bytes / total)} ${road}`);
  return `${parkedBytesPerSecond === undefined ? '' : 'parked, then '}done, verified: ${shares.join(', ')}`;
}

function percent(share: number): string {
  return share > 0 && share < 0.005 ? '< 1 %' : `${Math.round(100 * share)} %`;
}

function othersSeconds({ victims }: Play, session: SessionView, events: readonly EventView[]): number {
  const firstByteAtMs = session.casts[0]?.firstByteAtMs;
  if (firstByteAtMs === undefined) return Number.NaN;
  const servedAtMs = new Map<string, number>();
  for (const { action, host, atMs } of events) {
    if (action !== 'verifying' || host === undefined || victims.includes(host)) continue;
    servedAtMs.set(host, Math.min(atMs, servedAtMs.get(host) ?? Number.POSITIVE_INFINITY));
  }
  return (Math.max(...servedAtMs.values()) - firstByteAtMs) / 1000;
}
