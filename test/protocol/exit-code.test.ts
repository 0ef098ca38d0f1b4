import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errorTable, knownError } from '#protocol/errors.ts';
import { exitCodeOf, exitCodeOfCode } from '#protocol/exit-code.ts';

test('every known error has one of the documented exit codes, and only bugs have 1', () => {
  const codes = Object.keys(errorTable) as ErrorCode[];
  for (const code of codes) assert.ok([1, 2, 3, 10, 11, 12].includes(exitCodeOfCode(code)), code);
  const bugs = codes.filter((code) => exitCodeOfCode(code) === 1);
  assert.deepEqual(bugs.sort(), ['ANSWER_UNREADABLE', 'INTERNAL']);
});

test('exit codes tell a script what happened', () => {
  const expected: Partial<Record<ErrorCode, number>> = {
    ...{ USAGE: 2, START_INVALID: 2, HOST_UNKNOWN: 2, CONFIG_BAD_VALUE: 2 },
    ...{ HOST_LOST: 3, VERIFY_FAILED: 3, DAEMON_UNREACHABLE: 10 },
    ...{ HOST_BUSY: 11, PLAN_CHANGED: 11, PORT_TAKEN: 11, STORE_FULL: 11, DENIED: 12, NOT_ROOT: 12 },
  };
  for (const [code, exit] of Object.entries(expected))
    assert.equal(exitCodeOf(knownError(code as ErrorCode)), exit, code);
  assert.equal(exitCodeOf(new TypeError('oops')), 1);
});
