/**
 * What a task does next: a move or effects, never both. Pure, and the same question may be asked at any time: effects say
 * what should hold.
 */
import { type ErrorBody, knownError } from '#protocol/errors.ts';
import type { TaskState } from '#protocol/states.ts';
import type { Parking } from '../db/task-row.ts';

export interface TaskFacts {
  readonly kind: 'deploy' | 'audit' | 'capture' | 'wipe';
  readonly host: string;
  readonly state: TaskState;
  /** When it came into the state, or when the daemon started, whichever is later. */
  readonly stateMs: number;
  /** Its wave has begun. */
  readonly isItsTurn: boolean;
  /** Its agent was there before in this session. */
  readonly wasHere: boolean;
  /** Its agent speaks to the server now. */
  readonly isHere: boolean;
  /** Time since the host was last heard of (or since the daemon started), in ms. */
  readonly silentMs: number;
  /** What the agent last reported about its present order; absent: nothing yet. */
  readonly status?: 'idle' | 'working' | 'done' | 'failed';
  readonly error?: ErrorBody;
  /** Chunks it lacks; absent: not known. */
  readonly holes?: number;
  /** How many of them the store does not have whole either. */
  readonly damaged: number;
  readonly image: string;
  readonly disk: string;
  readonly repairs: number;
  readonly verify: 'full' | 'none';
  /** The session has begun its first pass or repair. */
  readonly isStarted: boolean;
  /** Multicast does not reach it: it need not wait for a cast. */
  readonly isDeaf: boolean;
  /** The session has decided that ready hosts fetch their holes over HTTP. */
  readonly isRepairTime: boolean;
  /** The cast that this task takes part in; absent when the daemon runs none for it. */
  readonly cast?: {
    readonly isEnded: boolean;
    readonly isFailed: boolean;
    /** Nobody knows whether a receiver has heard the end. */
    readonly isOneWay?: boolean;
    /** Since the cast ended and the host's progress last moved, in ms. */
    readonly quietMs: number;
  };
  readonly nowMs: number;
}

export interface TaskLimits {
  readonly gatherDeadlineS: number;
  readonly lostAfterS: number;
  readonly lostFailS: number;
  readonly verifyTries: number;
  readonly receiveTimeoutS: number;
}

export interface TaskMove {
  readonly to: TaskState;
  readonly error?: ErrorBody;
  /** Counts a repair that did not suffice. */
  readonly isFruitless?: boolean;
  /** It leaves a cast that it held back. */
  readonly parking?: Parking;
  /** Multicast does not reach it. */
  readonly isDeaf?: boolean;
  /** The sentence of the audit log, when the states alone do not say it. */
  readonly why?: string;
  /** What the audit log calls it; absent: the name of the state. */
  readonly action?: 'parked' | 'dropped';
}

export type TaskDecision =
  | { readonly move: TaskMove; readonly effects?: never }
  | { readonly move?: never; readonly effects: readonly 'keepAwake'[] };

/** A receiver gives up by itself after receiveTimeoutS; it then needs a moment to write what it has and to say so. */
const DRAIN_MS = 15_000;

/** A one-way cast has ended and a host writes nothing more: it has lost the end, and is asked what it lacks. */
const ONEWAY_QUIET_MS = 3000;

const nothing: TaskDecision = { effects: [] };

export function decideTask(facts: TaskFacts, limits: TaskLimits): TaskDecision {
  switch (facts.state) {
    case 'succeeded':
    case 'failed':
    case 'cancelled':
      return nothing;
    case 'pending':
      return facts.isItsTurn ? move('booting') : nothing;
    case 'booting':
      return decideBooting(facts, limits);
    case 'preparing':
    case 'ready':
      // It has nothing on its disk yet that waiting would save: it is called again.
      if (facts.silentMs > limits.lostAfterS * 1000) return move('booting');
      return facts.state === 'ready' ? decideReady(facts) : decidePreparing(facts);
    default:
      if (facts.silentMs > limits.lostFailS * 1000) return fail(lost(facts, limits));
      return decideWorking(facts, limits);
  }
}

function decideBooting(facts: TaskFacts, limits: TaskLimits): TaskDecision {
  if (facts.isHere) return move(facts.kind === 'capture' ? 'capturing' : 'preparing');
  if (facts.wasHere && facts.silentMs > limits.lostFailS * 1000) return fail(lost(facts, limits));
  if (facts.nowMs - facts.stateMs > limits.gatherDeadlineS * 1000) {
    return fail(knownError('HOST_DID_NOT_COME', { host: facts.host, seconds: limits.gatherDeadlineS }).toBody());
  }
  return { effects: ['keepAwake'] };
}

function decidePreparing(facts: TaskFacts): TaskDecision {
  if (facts.status === 'failed') return fail(reported(facts));
  if (facts.status !== 'done') return nothing;
  if (facts.kind === 'audit') return move('succeeded');
  // The hosts of a wipe do not wait for each other.
  if (facts.kind === 'wipe') return move('finishing');
  return facts.holes === undefined ? nothing : move('ready');
}

function decideReady(facts: TaskFacts): TaskDecision {
  if (!facts.isStarted) return nothing;
  if (facts.holes === 0) return afterLastHole(facts);
  return facts.isRepairTime || facts.isDeaf ? move('repairing') : nothing;
}

function decideWorking(facts: TaskFacts, limits: TaskLimits): TaskDecision {
  switch (facts.state) {
    case 'receiving':
      return decideReceiving(facts, limits);
    case 'repairing':
      return decideRepairing(facts, limits);
    case 'verifying':
      return decideVerifying(facts, limits);
    default:
      if (facts.status === 'failed') return fail(reported(facts));
      return facts.status === 'done' ? move('succeeded') : nothing;
  }
}

function decideReceiving(facts: TaskFacts, limits: TaskLimits): TaskDecision {
  const { cast } = facts;
  // The daemon restarted, or the sender died: the agent leaves its receiver, says what it has, and joins the next pass.
  if (cast === undefined || cast.isFailed) return move('preparing');
  if (facts.status === 'failed') return facts.error?.code === 'CAST_FAILED' ? move('preparing') : fail(reported(facts));
  if (facts.status === 'done' && facts.holes !== undefined) {
    return facts.holes === 0 ? afterLastHole(facts) : move('ready');
  }
  const limitMs = cast.isOneWay ? ONEWAY_QUIET_MS : limits.receiveTimeoutS * 1000 + DRAIN_MS;
  const isOverdue = cast.isEnded && cast.quietMs > limitMs;
  return isOverdue ? move('preparing') : nothing;
}

function decideRepairing(facts: TaskFacts, limits: TaskLimits): TaskDecision {
  if (facts.status === 'failed') return fail(reported(facts));
  if (facts.status !== 'done' || facts.holes === undefined) return nothing;
  if (facts.holes === 0) return afterLastHole(facts);
  if (facts.damaged >= facts.holes) {
    return fail(knownError('IMAGE_DAMAGED', { image: facts.image, count: facts.damaged }).toBody());
  }
  if (facts.repairs + 1 >= limits.verifyTries) {
    const reason = `still lacking after ${facts.repairs + 1} repairs`;
    return fail(knownError('REPAIR_FAILED', { host: facts.host, count: facts.holes, reason }).toBody());
  }
  return { move: { to: 'ready', isFruitless: true } };
}

function decideVerifying(facts: TaskFacts, limits: TaskLimits): TaskDecision {
  if (facts.status === 'failed') return fail(reported(facts));
  if (facts.status !== 'done' || facts.holes === undefined) return nothing;
  if (facts.holes === 0) return move('finishing');
  if (facts.repairs < limits.verifyTries) return { move: { to: 'repairing', isFruitless: true } };
  const { host, disk, holes, repairs } = facts;
  return fail(knownError('VERIFY_FAILED', { host, count: holes, disk, tries: repairs }).toBody());
}

function afterLastHole(facts: TaskFacts): TaskDecision {
  return move(facts.verify === 'full' ? 'verifying' : 'finishing');
}

function move(to: TaskState): TaskDecision {
  return { move: { to } };
}

function fail(error: ErrorBody): TaskDecision {
  return { move: { to: 'failed', error } };
}

function reported(facts: TaskFacts): ErrorBody {
  const reason = 'its agent failed and did not say why';
  return facts.error ?? knownError('AGENT_FAILED', { host: facts.host, reason }).toBody();
}

function lost(facts: TaskFacts, limits: TaskLimits): ErrorBody {
  return knownError('HOST_LOST', { host: facts.host, seconds: limits.lostFailS }).toBody();
}
