/** What a session does next: a move or effects, never both. Pure. */
import type { CastMode, StartPolicy } from '#protocol/admin/deploy-api.ts';
import { isSessionEnded, type SessionState, type TaskState } from '#protocol/states.ts';
import { maySessionStart } from './start-policy.ts';
import { decideWave, type WaveFacts } from './waves.ts';

export type TaskCounts = Readonly<Record<TaskState, number>>;

export interface SessionFacts {
  readonly kind: 'deploy' | 'capture' | 'wipe';
  readonly state: SessionState;
  readonly mode: CastMode;
  readonly start: StartPolicy;
  readonly isStartNow: boolean;
  readonly gatheringMs: number;
  /** When the first of the hosts that are ready now became ready. */
  readonly firstReadyMs: number;
  /** Without those of later waves. */
  readonly tasks: TaskCounts;
  /** Absent: there are no waves. */
  readonly wave?: Omit<WaveFacts, 'running'>;
  /** Preparing hosts that the ready ones wait for: not a parked one, which writes on in its own time, nor a silent one. */
  readonly awaited: number;
  /** planning: its frames are looked up · running: hosts may be hearing it · ended: its sender is gone. */
  readonly cast: 'none' | 'planning' | 'running' | 'ended';
  /** Of a running cast: some host that it was begun for may still hear it, or has heard it to its end. */
  readonly isCastHeard: boolean;
  /** Until then a pass waits for hosts that still prepare: after a restart or a pass many come back within seconds. */
  readonly settleUntilMs: number;
  /** Asked only when it matters, because it looks at every hole: is a cast quicker than serving the holes over HTTP? */
  readonly isPassWorth: () => boolean;
  readonly nowMs: number;
}

export type SessionDecision =
  | { readonly move: SessionState; readonly effects?: never }
  | { readonly move?: never; readonly effects: readonly ('keepCast' | 'endCast' | 'repairReady' | 'stopWaves')[] };

const nothing: SessionDecision = { effects: [] };

export function decideSession(facts: SessionFacts): SessionDecision {
  if (isSessionEnded(facts.state)) return nothing;
  const wave = facts.wave && decideWave({ ...facts.wave, running: running(facts.tasks) });
  if (wave === 'failures' || wave === 'nobody') return { effects: ['stopWaves'] };
  switch (facts.state) {
    case 'planned':
      return { move: 'gathering' };
    case 'gathering':
      return decideGathering(facts);
    case 'capturing':
      return running(facts.tasks) === 0 ? end(facts) : nothing;
    case 'casting':
      return decideCasting(facts);
    case 'repairing':
      return decideRepairing(facts);
    case 'finishing':
      return wave === 'next' ? { move: 'gathering' } : decideFinishing(facts);
    default:
      return nothing;
  }
}

function decideGathering(facts: SessionFacts): SessionDecision {
  const { tasks } = facts;
  if (running(tasks) === 0) return end(facts);
  if (facts.kind === 'wipe') return tasks.finishing === running(tasks) ? { move: 'finishing' } : nothing;
  if (facts.kind === 'capture') return tasks.capturing > 0 ? { move: 'capturing' } : nothing;
  const mayStart = maySessionStart(facts.start, {
    ready: tasks.ready,
    preparing: tasks.preparing,
    running: running(tasks),
    isStartNow: facts.isStartNow,
    gatheringMs: facts.gatheringMs,
    firstReadyMs: facts.firstReadyMs,
    nowMs: facts.nowMs,
  });
  if (!mayStart) return nothing;
  // Hosts that have hashed their disks may lack little, or nothing.
  return { move: facts.mode !== 'unicast' && facts.isPassWorth() ? 'casting' : 'repairing' };
}

function decideCasting(facts: SessionFacts): SessionDecision {
  const { tasks, cast } = facts;
  // udp-sender would wait for its dead hosts until it drops the last one.
  if (cast === 'running' && !facts.isCastHeard) return { effects: ['endCast'] };
  if (cast === 'planning' || cast === 'running') return { effects: ['keepCast'] };
  // Those that heard the cast still write and report, or their own deadline comes.
  if (tasks.receiving > 0) return nothing;
  if (cast === 'ended') return { move: 'repairing' };
  if (tasks.ready > 0) return isSettled(facts) ? { effects: ['keepCast'] } : nothing;
  return !isSettled(facts) ? nothing : { move: 'repairing' };
}

function decideRepairing(facts: SessionFacts): SessionDecision {
  const { tasks } = facts;
  if (running(tasks) === 0) return end(facts);
  if (running(tasks) === tasks.verifying + tasks.finishing) return { move: 'finishing' };
  if (tasks.ready === 0 || !isSettled(facts)) return nothing;
  return facts.mode !== 'unicast' && facts.isPassWorth() ? { move: 'casting' } : { effects: ['repairReady'] };
}

function decideFinishing(facts: SessionFacts): SessionDecision {
  const { tasks } = facts;
  if (running(tasks) === 0) return tasks.succeeded > 0 ? { move: 'completed' } : end(facts);
  if (facts.kind === 'wipe') return nothing;
  return running(tasks) > tasks.verifying + tasks.finishing ? { move: 'repairing' } : nothing;
}

function isSettled(facts: SessionFacts): boolean {
  return facts.awaited === 0 || facts.nowMs >= facts.settleUntilMs;
}

function end(facts: SessionFacts): SessionDecision {
  const { succeeded, failed, cancelled } = facts.tasks;
  if (succeeded > 0) return { move: 'finishing' };
  // Every host was taken out of it: nothing has failed.
  return { move: failed === 0 && cancelled > 0 ? 'cancelled' : 'failed' };
}

/** Tasks that have not ended. */
function running(tasks: TaskCounts): number {
  let count = 0;
  for (const [state, tasksIn] of Object.entries(tasks)) {
    if (state !== 'succeeded' && state !== 'failed' && state !== 'cancelled') count += tasksIn;
  }
  return count;
}
