/** Wakes the hosts of a session that sleep, as often and as many at once as its rule allows. */
import { DEFAULT_WAKE_GAP_S, type DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { Config } from '../config.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { mayWake, recentWakes, type WakeRule } from './wake-wave.ts';

export interface WakingOptions {
  readonly config: Config;
  readonly hosts: Pick<Hosts, 'byId'>;
  readonly waker: { wake(host: HostView): Promise<void> };
  readonly clock: Clock;
  readonly log: Logger;
}

/** Hosts woken in one tick: a room that starts at once trips its fuse. */
const WAKES_PER_TICK = 20;

export class Waking {
  #options: WakingOptions;
  #wakesLeft = WAKES_PER_TICK;

  constructor(options: WakingOptions) {
    this.#options = options;
  }

  beginTick(): void {
    this.#wakesLeft = WAKES_PER_TICK;
  }

  /** Sends the host of a task its magic packets when it is time. May be asked at any time. */
  keepAwake(live: LiveSession, task: LiveTask): void {
    const { hosts, waker, clock, log } = this.#options;
    const nowMs = clock.steadyMs();
    const rule = this.#ruleOf(live);
    const isSomebodyUnwoken = () => live.tasksIn('booting').some((one) => one.lastWakeMs === undefined);
    const facts = { lastWakeMs: task.lastWakeMs, wakes: live.wakes, isSomebodyUnwoken, nowMs };
    if (this.#wakesLeft === 0 || !mayWake(facts, rule)) return;
    const host = hosts.byId(task.row.hostId);
    if (host === undefined) return;
    this.#wakesLeft--;
    if (rule.wave !== undefined) live.wakes = [...recentWakes(live.wakes, rule.gapMs, nowMs), nowMs];
    task.firstWakeMs ??= nowMs;
    task.lastWakeMs = nowMs;
    // It is sent again and again; the deadline is what tells the admin.
    waker.wake(host).catch((error: unknown) => log.warn({ err: error, host: host.name }, 'wake failed'));
  }

  /** Since when the host of a booting task is waited for; 0: since its task is booting. A host of a later wave is not late yet. */
  calledMs(live: LiveSession, task: LiveTask): number {
    if (task.row.state !== 'booting') return 0;
    const isWaiting = live.row.kind === 'deploy' && live.row.request.wakeWave !== undefined;
    return task.firstWakeMs ?? (isWaiting ? this.#options.clock.steadyMs() : 0);
  }

  #ruleOf(live: LiveSession): WakeRule {
    const { wakeWave, wakeGapS }: Partial<DeployRequest> = live.row.kind === 'deploy' ? live.row.request : {};
    return {
      intervalMs: this.#options.config.session.wakeIntervalS * 1000,
      gapMs: (wakeGapS ?? DEFAULT_WAKE_GAP_S) * 1000,
      ...(wakeWave === undefined ? {} : { wave: wakeWave }),
    };
  }
}
