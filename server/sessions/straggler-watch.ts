/** Keeps what the hosts of running casts report about their buffers, and asks who is to be parked (straggler.ts). */
import type { Progress } from '#protocol/agent-api.ts';
import type { Clock } from '#system/clock.ts';
import type { LivePass, LiveSession, LiveTask } from './live-session.ts';
import {
  addSample,
  beginTrack,
  findStragglers,
  type HostTrack,
  type Straggler,
  type StragglerRule,
} from './straggler.ts';

/** With a thousand hosts a look at all of them for each report would be a million a second. */
const LOOK_EVERY_MS = 250;

export class StragglerWatch {
  readonly #rule: StragglerRule;
  readonly #clock: Clock;
  readonly #tracks = new WeakMap<LivePass, Map<number, HostTrack>>();
  readonly #lookedMs = new WeakMap<LivePass, number>();

  constructor(rule: StragglerRule, clock: Clock) {
    this.#rule = rule;
    this.#clock = clock;
  }

  /** Notes a report of a host that hears the running cast. */
  note(live: LiveSession, task: LiveTask, progress: Progress | undefined): void {
    const { pass } = live;
    const stream = progress?.stream;
    if (pass?.phase !== 'running' || task.row.state !== 'receiving' || stream === undefined) return;
    // There is no back pressure: who is too slow loses data, and nobody waits for it.
    if (pass.order?.isOneWay === true) return;
    const tracks = this.#tracks.get(pass) ?? new Map<number, HostTrack>();
    this.#tracks.set(pass, tracks);
    const { taskId } = task.row;
    const sample = { atMs: this.#clock.steadyMs(), stream, writtenBytesPerSecond: progress!.bytesPerSecond };
    tracks.set(taskId, addSample(tracks.get(taskId) ?? beginTrack(taskId), sample));
  }

  /** The hosts that are to leave the running cast now. */
  find(live: LiveSession): Straggler[] {
    const { pass } = live;
    const tracks = pass && this.#tracks.get(pass);
    if (tracks === undefined || pass?.phase !== 'running' || pass.view === undefined) return [];
    const nowMs = this.#clock.steadyMs();
    if (nowMs - (this.#lookedMs.get(pass) ?? 0) < LOOK_EVERY_MS) return [];
    this.#lookedMs.set(pass, nowMs);
    const hearing = live.tasksIn('receiving').filter((task) => pass.lackedBefore.has(task.row.taskId));
    const hosts = hearing.map(({ row }) => tracks.get(row.taskId) ?? beginTrack(row.taskId));
    return findStragglers({ hosts, castBytes: pass.view.bytes }, this.#rule);
  }
}
