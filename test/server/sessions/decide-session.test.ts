import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isSessionEnded,
  type SessionState,
  sessionMoves,
  sessionStates,
  type TaskState,
  taskStates,
} from '#protocol/states.ts';
import { decideSession, type SessionFacts } from '#server/sessions/decide-session.ts';

type Counts = Partial<Record<TaskState, number>>;

function facts(state: SessionState, tasks: Counts, fields: Partial<SessionFacts> = {}): SessionFacts {
  return {
    kind: 'deploy',
    state,
    mode: 'multicast',
    start: { when: 'all' },
    isStartNow: false,
    gatheringMs: 0,
    firstReadyMs: 0,
    tasks: { ...(Object.fromEntries(taskStates.map((one) => [one, 0])) as Record<TaskState, number>), ...tasks },
    awaited: tasks.preparing ?? 0,
    cast: 'none',
    isCastHeard: true,
    settleUntilMs: 0,
    isPassWorth: () => false,
    nowMs: 1000,
    ...fields,
  };
}

const worth = { isPassWorth: () => true };
const unsettled = { settleUntilMs: 1001 };
const capture = { kind: 'capture' } as const;
const waves = { wave: { waiting: 2, failed: 0, succeeded: 1, stopAtFailures: 1 } };

const cases: readonly [title: string, facts: SessionFacts, decided: string][] = [
  ['it begins to gather', facts('planned', { pending: 2 }), 'gathering'],
  ['it waits for all', facts('gathering', { booting: 1, ready: 1 }), '-'],
  ['all ready begin a pass', facts('gathering', { ready: 2 }, worth), 'casting'],
  ['hosts that lack little fetch it', facts('gathering', { ready: 2 }), 'repairing'],
  ['without multicast they fetch', facts('gathering', { ready: 2 }, { ...worth, mode: 'unicast' }), 'repairing'],
  ['hosts that failed are not waited for', facts('gathering', { ready: 1, failed: 1 }, worth), 'casting'],
  ['nobody came', facts('gathering', { failed: 2 }), 'failed'],
  ['a capture waits', facts('gathering', { booting: 1 }, capture), '-'],
  ['a capture begins', facts('gathering', { capturing: 1 }, capture), 'capturing'],
  ['a capture goes on', facts('capturing', { capturing: 1 }, capture), '-'],
  ['a capture that is called again goes on', facts('capturing', { booting: 1 }, capture), '-'],
  ['a capture is done', facts('capturing', { succeeded: 1 }, capture), 'finishing'],
  ['a capture has failed', facts('capturing', { failed: 1 }, capture), 'failed'],

  ['a cast is to run for the ready', facts('casting', { ready: 2 }), 'keepCast'],
  ['the first cast does not wait for hosts that prepare', facts('casting', { ready: 2, preparing: 1 }), 'keepCast'],
  ['a later one does', facts('casting', { ready: 1, preparing: 1 }, unsettled), '-'],
  ['after a restart it waits for those who prepare', facts('casting', { preparing: 2 }, unsettled), '-'],
  ['nor for a parked one', facts('casting', { ready: 1, preparing: 1 }, { ...unsettled, awaited: 0 }), 'keepCast'],
  ['but not for ever', facts('casting', { preparing: 2 }), 'repairing'],
  ['a planned cast is kept', facts('casting', { ready: 2 }, { cast: 'planning' }), 'keepCast'],
  ['a running cast is kept', facts('casting', { receiving: 2 }, { cast: 'running' }), 'keepCast'],
  [
    'a cast that nobody hears is ended',
    facts('casting', { failed: 2 }, { cast: 'running', isCastHeard: false }),
    'endCast',
  ],
  [
    'a cast that is planned is heard by nobody yet',
    facts('casting', { ready: 1 }, { cast: 'planning', isCastHeard: false }),
    'keepCast',
  ],
  ['after the cast it waits for reports', facts('casting', { receiving: 1, ready: 1 }, { cast: 'ended' }), '-'],
  ['all have reported', facts('casting', { ready: 1, verifying: 1 }, { cast: 'ended' }), 'repairing'],

  ['what many lack is cast again', facts('repairing', { ready: 2 }, worth), 'casting'],
  ['what few lack is fetched', facts('repairing', { ready: 2 }), 'repairReady'],
  ['without multicast all is fetched', facts('repairing', { ready: 2 }, { ...worth, mode: 'unicast' }), 'repairReady'],
  ['it waits for hosts that prepare', facts('repairing', { ready: 1, preparing: 1 }, unsettled), '-'],
  ['it waits for repairs', facts('repairing', { repairing: 1, verifying: 1 }), '-'],
  ['it waits for late hosts', facts('repairing', { booting: 1, verifying: 1 }), '-'],
  ['only verifying is left', facts('repairing', { verifying: 1, finishing: 1, succeeded: 1 }), 'finishing'],
  ['all have ended', facts('repairing', { succeeded: 1, failed: 1 }), 'finishing'],
  ['none has succeeded', facts('repairing', { failed: 2 }), 'failed'],

  ['it waits for the last', facts('finishing', { verifying: 1, succeeded: 1 }), '-'],
  ['a host needs a repair again', facts('finishing', { repairing: 1, succeeded: 1 }), 'repairing'],
  ['one success completes it', facts('finishing', { succeeded: 1, failed: 3 }), 'completed'],
  ['none fails it', facts('finishing', { failed: 1 }), 'failed'],
  ['the next wave is gathered', facts('finishing', { succeeded: 1 }, waves), 'gathering'],
  ['a wave that still runs is waited for', facts('finishing', { succeeded: 1, verifying: 1 }, waves), '-'],
  [
    'failures stop the waves',
    facts('casting', { receiving: 1, failed: 1 }, { wave: { ...waves.wave, failed: 1 } }),
    'stopWaves',
  ],
  ['a wave without success stops them', facts('gathering', {}, { wave: { ...waves.wave, succeeded: 0 } }), 'stopWaves'],
];
for (const [title, given, decided] of cases) {
  test(`${given.state}: ${title}`, () => {
    const { move, effects } = decideSession(given);
    assert.equal(move ?? (effects!.join() || '-'), decided);
  });
}

test('whatever the counts, every decided move is legal and an ended session stays', () => {
  let walk = 1;
  const next = (bound: number) => {
    walk = (Math.imul(walk, 1_103_515_245) + 12_345) >>> 0;
    return (walk >>> 16) % bound;
  };
  for (let i = 0; i < 20_000; i++) {
    const tasks = Object.fromEntries(taskStates.map((state) => [state, next(3) === 0 ? next(3) : 0])) as Counts;
    const state = sessionStates[i % sessionStates.length]!;
    const given = facts(state, tasks, {
      cast: (['none', 'planning', 'running', 'ended'] as const)[next(4)]!,
      mode: next(2) === 0 ? 'unicast' : 'multicast',
      isPassWorth: () => i % 3 === 0,
      settleUntilMs: next(2) * 2000,
      ...(next(2) === 0 ? { wave: { waiting: next(2), failed: next(3), succeeded: next(2), stopAtFailures: 2 } } : {}),
    });
    const { move } = decideSession(given);
    if (isSessionEnded(state)) assert.equal(move, undefined);
    else if (move !== undefined) assert.ok(sessionMoves[state].includes(move), `${state} to ${move}`);
  }
});
