import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSessionEnded, isTaskEnded, sessionMoves, sessionStates, taskMoves, taskStates } from '#protocol/states.ts';

test('every move of a session and of a task leads to a known state', () => {
  for (const to of Object.values(sessionMoves).flat()) assert.ok(sessionStates.includes(to));
  for (const to of Object.values(taskMoves).flat()) assert.ok(taskStates.includes(to));
});

test('a state is ended exactly when nothing follows it', () => {
  assert.deepEqual(sessionStates.filter(isSessionEnded), ['completed', 'failed', 'cancelled']);
  assert.deepEqual(taskStates.filter(isTaskEnded), ['succeeded', 'failed', 'cancelled']);
});

test('cancelling is legal in every state that has not ended', () => {
  for (const state of sessionStates)
    assert.equal(sessionMoves[state].includes('cancelled'), !isSessionEnded(state), state);
  for (const state of taskStates) assert.equal(taskMoves[state].includes('cancelled'), !isTaskEnded(state), state);
});

test('an end can be reached from every state', () => {
  const reaches = (
    moves: Readonly<Record<string, readonly string[]>>,
    from: string,
    seen = new Set<string>(),
  ): boolean => {
    if (seen.has(from)) return false;
    seen.add(from);
    return moves[from]!.length === 0 || moves[from]!.some((to) => reaches(moves, to, seen));
  };
  for (const state of sessionStates) assert.ok(reaches(sessionMoves, state), state);
  for (const state of taskStates) assert.ok(reaches(taskMoves, state), state);
});

test('a deployed disk succeeds only from finishing, a captured one from capturing, an audited one from preparing', () => {
  const before = taskStates.filter((state) => taskMoves[state].includes('succeeded'));
  assert.deepEqual(before, ['preparing', 'capturing', 'finishing']);
});
