import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorBody, knownError } from '#protocol/errors.ts';
import { isTaskEnded, type TaskState, taskMoves, taskStates } from '#protocol/states.ts';
import { decideTask, type TaskDecision, type TaskFacts, type TaskLimits } from '#server/sessions/decide-task.ts';

const limits: TaskLimits = {
  gatherDeadlineS: 900,
  lostAfterS: 30,
  lostFailS: 300,
  verifyTries: 3,
  receiveTimeoutS: 30,
};

function facts(state: TaskState, fields: Partial<TaskFacts> = {}): TaskFacts {
  return {
    kind: 'deploy',
    host: 'pc-1',
    state,
    stateMs: 1000_000,
    isItsTurn: true,
    wasHere: true,
    isHere: true,
    silentMs: 1000,
    damaged: 0,
    image: 'win11',
    disk: 'Virt disk',
    repairs: 0,
    verify: 'full',
    isStarted: true,
    isDeaf: false,
    isRepairTime: false,
    nowMs: 1010_000,
    ...fields,
  };
}

/** `ready`, `failed HOST_LOST`, `ready +1` for a counted repair, `keepAwake`, or `-` for nothing. */
function say(decision: TaskDecision): string {
  if (decision.move === undefined) return decision.effects.join() || '-';
  const { to, error, isFruitless } = decision.move;
  return [to, ...(error ? [error.code] : []), ...(isFruitless ? ['+1'] : [])].join(' ');
}

const diskError: ErrorBody = knownError('DISK_WRITE_FAILED').toBody();
const castError: ErrorBody = knownError('CAST_FAILED').toBody();
const runningCast = { isEnded: false, isFailed: false, quietMs: 0 };
const done = { status: 'done' } as const;
const failed = { status: 'failed', error: diskError } as const;
const silent = (seconds: number) => ({ silentMs: seconds * 1000, isHere: seconds <= 30 });

const cases: readonly [title: string, facts: TaskFacts, said: string][] = [
  ['a pending task is called', facts('pending', { isHere: false, wasHere: false }), 'booting'],
  [
    'a host that is away is kept awake',
    facts('booting', { isHere: false, wasHere: false, silentMs: 1e7 }),
    'keepAwake',
  ],
  [
    'a host that never came has failed after the deadline',
    facts('booting', { isHere: false, wasHere: false, silentMs: 1e7, nowMs: 1900_001 }),
    'failed HOST_DID_NOT_COME',
  ],
  [
    'at the deadline itself it may still come',
    facts('booting', { isHere: false, wasHere: false, silentMs: 1e7, nowMs: 1900_000 }),
    'keepAwake',
  ],
  ['a host that came prepares', facts('booting'), 'preparing'],
  ['a host that came to be captured is captured', facts('booting', { kind: 'capture' }), 'capturing'],
  ['a host that was there is waited for', facts('booting', silent(299)), 'keepAwake'],
  ['a host that was there is lost in the end', facts('booting', silent(301)), 'failed HOST_LOST'],

  ['done without holes told is not ready', facts('preparing', done), '-'],
  ['done with holes is ready', facts('preparing', { ...done, holes: 5 }), 'ready'],
  ['a disk that is refused fails the task', facts('preparing', failed), 'failed DISK_WRITE_FAILED'],
  ['failing without a reason is said so', facts('preparing', { status: 'failed' }), 'failed AGENT_FAILED'],
  ['a silent host that prepares is called again', facts('preparing', silent(31)), 'booting'],

  ['a ready host waits for the start', facts('ready', { isStarted: false, holes: 0 }), '-'],
  ['a ready host waits for its pass', facts('ready', { holes: 5 }), '-'],
  ['a ready host without holes needs no pass', facts('ready', { holes: 0 }), 'verifying'],
  ['without verifying it finishes', facts('ready', { holes: 0, verify: 'none' }), 'finishing'],
  ['a ready host repairs when it is time', facts('ready', { holes: 5, isRepairTime: true }), 'repairing'],
  ['a ready host that hears no cast repairs at once', facts('ready', { holes: 5, isDeaf: true }), 'repairing'],
  ['but not before the start', facts('ready', { holes: 5, isDeaf: true, isStarted: false }), '-'],
  ['a silent ready host is called again', facts('ready', { holes: 5, ...silent(31) }), 'booting'],

  ['a receiver goes on', facts('receiving', { cast: runningCast, holes: 9 }), '-'],
  ['a receiver without a cast prepares anew', facts('receiving', { holes: 9 }), 'preparing'],
  ['so it does when the sender died', facts('receiving', { cast: { ...runningCast, isFailed: true } }), 'preparing'],
  ['all received is verified', facts('receiving', { cast: runningCast, ...done, holes: 0 }), 'verifying'],
  [
    'all received is finished',
    facts('receiving', { cast: runningCast, ...done, holes: 0, verify: 'none' }),
    'finishing',
  ],
  ['a receiver with holes is ready for more', facts('receiving', { cast: runningCast, ...done, holes: 3 }), 'ready'],
  [
    'a receiver whose disk fails has failed',
    facts('receiving', { cast: runningCast, ...failed }),
    'failed DISK_WRITE_FAILED',
  ],
  [
    'a receiver that could not hear tries again',
    facts('receiving', { cast: runningCast, status: 'failed', error: castError }),
    'preparing',
  ],
  [
    'after the cast a receiver may still write',
    facts('receiving', { cast: { isEnded: true, isFailed: false, quietMs: 45_000 } }),
    '-',
  ],
  ['but not for ever', facts('receiving', { cast: { isEnded: true, isFailed: false, quietMs: 45_001 } }), 'preparing'],
  ['a silent receiver is only lost', facts('receiving', { cast: runningCast, ...silent(299) }), '-'],
  ['and fails at its deadline', facts('receiving', { cast: runningCast, ...silent(301) }), 'failed HOST_LOST'],

  ['repairing goes on', facts('repairing', { holes: 3 }), '-'],
  ['all repaired is verified', facts('repairing', { ...done, holes: 0 }), 'verifying'],
  ['not all repaired tries again', facts('repairing', { ...done, holes: 3 }), 'ready +1'],
  ['but not for ever', facts('repairing', { ...done, holes: 3, repairs: 2 }), 'failed REPAIR_FAILED'],
  ['what the store lacks cannot be had', facts('repairing', { ...done, holes: 3, damaged: 3 }), 'failed IMAGE_DAMAGED'],
  ['what only partly is damaged is tried again', facts('repairing', { ...done, holes: 3, damaged: 2 }), 'ready +1'],
  ['a repair that fails has failed', facts('repairing', failed), 'failed DISK_WRITE_FAILED'],

  ['all well is finished', facts('verifying', { ...done, holes: 0 }), 'finishing'],
  ['what reads back wrong is repaired', facts('verifying', { ...done, holes: 1, repairs: 2 }), 'repairing +1'],
  ['verifyTries times', facts('verifying', { ...done, holes: 1, repairs: 3 }), 'failed VERIFY_FAILED'],
  ['finished is succeeded', facts('finishing', done), 'succeeded'],
  ['finishing may fail', facts('finishing', failed), 'failed DISK_WRITE_FAILED'],
  ['captured is succeeded', facts('capturing', { kind: 'capture', ...done }), 'succeeded'],
  ['a capture may fail', facts('capturing', { kind: 'capture', ...failed }), 'failed DISK_WRITE_FAILED'],
  ['a silent capture is lost', facts('capturing', { kind: 'capture', ...silent(301) }), 'failed HOST_LOST'],
];
for (const [title, given, said] of cases) {
  test(`${given.state}: ${title}`, () => assert.equal(say(decideTask(given, limits)), said));
}

test('whatever the facts, every decided move is legal and an ended task stays', () => {
  const values = {
    kind: ['deploy', 'capture'],
    isHere: [true, false],
    wasHere: [true, false],
    silentMs: [0, 31_000, 301_000],
    status: [undefined, 'working', 'done', 'failed'],
    holes: [undefined, 0, 3],
    damaged: [0, 3],
    repairs: [0, 3],
    verify: ['full', 'none'],
    isStarted: [true, false],
    isDeaf: [true, false],
    isRepairTime: [true, false],
    cast: [undefined, runningCast, { isEnded: true, isFailed: true, quietMs: 0 }],
    nowMs: [1010_000, 9e9],
  } as const;
  // Every value of every fact with every state, and a fixed walk through their combinations.
  let walk = 12345;
  for (let i = 0; i < 40_000; i++) {
    const picked: Record<string, unknown> = {};
    for (const [name, choices] of Object.entries(values)) {
      walk = (Math.imul(walk, 1_103_515_245) + 12_345) >>> 0;
      const value = choices[(walk >>> 16) % choices.length];
      if (value !== undefined) picked[name] = value;
    }
    const state = taskStates[i % taskStates.length]!;
    const { move } = decideTask(facts(state, picked as Partial<TaskFacts>), limits);
    if (isTaskEnded(state)) assert.equal(move, undefined);
    // The kind of a session decides which of the two working states a task can be in.
    else if (move !== undefined) assert.ok(taskMoves[state].includes(move.to), `${state} to ${move.to}`);
  }
});
