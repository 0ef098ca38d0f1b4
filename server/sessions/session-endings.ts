/** Ending a session before its time: at the admin's word, or because the window of its schedule closes. */
import { isTaskEnded } from '#protocol/states.ts';
import type { TaskMove } from './decide-task.ts';
import { isLateForLastCall, releasedByWindow } from './last-call.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import type { PassRunner } from './pass-runner.ts';
import type { RunningSessions } from './running-sessions.ts';
import type { SessionChanges } from './session-changes.ts';
import type { SessionRunner } from './session-runner.ts';
import type { TaskData } from './task-data.ts';

export interface SessionEndingsOptions {
  readonly running: RunningSessions;
  readonly runner: SessionRunner;
  readonly passes: Pick<PassRunner, 'stop'>;
  readonly taskData: Pick<TaskData, 'abandonUpload'>;
  readonly changes: Pick<SessionChanges, 'startNow'>;
}

export class SessionEndings {
  #options: SessionEndingsOptions;

  constructor(options: SessionEndingsOptions) {
    this.#options = options;
  }

  /** Releases every host that has not ended, ends its cast and frees what a capture uploaded. */
  cancel(live: LiveSession): Promise<void> {
    return this.#end(live, () => ({ to: 'cancelled' }));
  }

  /**
   * The window of a schedule closes. `last-call`: hosts that are neither ready nor writing are released, the ready ones get
   * their pass · `stop`: those that write are stopped too. May be repeated; nothing for a session that has ended.
   */
  async closeWindow(sessionId: number, schedule: string, step: 'last-call' | 'stop'): Promise<void> {
    const { running: sessions, runner, changes } = this.#options;
    const live = sessions.byId(sessionId);
    if (live === undefined) return;
    const moveOf = (task: LiveTask) => releasedByWindow(task.row, schedule);
    const late = [...live.tasks.values()].filter((task) => isLateForLastCall(task.row));
    const running = runningTasks(live);
    // A session without running hosts is about to end by itself.
    if (running.length === 0) return;
    if (step === 'stop' || late.length === running.length) return this.#end(live, moveOf);
    runner.moveTasks(
      live,
      late.map((task) => ({ task, move: moveOf(task) })),
    );
    if (live.row.state === 'gathering') changes.startNow(sessionId);
    else runner.settle(live);
  }

  async #end(live: LiveSession, moveOf: (task: LiveTask) => TaskMove): Promise<void> {
    const { runner, passes, taskData } = this.#options;
    const running = runningTasks(live);
    runner.cancel(
      live,
      running.map((task) => ({ task, move: moveOf(task) })),
    );
    await passes.stop(live);
    await Promise.all(running.map((task) => taskData.abandonUpload(task.row.taskId)));
  }
}

function runningTasks(live: LiveSession): LiveTask[] {
  return [...live.tasks.values()].filter((task) => !isTaskEnded(task.row.state));
}
