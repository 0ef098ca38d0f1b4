import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorBodyOf } from '#agent/agent-loop.ts';
import { knownError } from '#protocol/errors.ts';

test('an error that was made deep inside gets the name of its host when it is reported', () => {
  const error = knownError('DISK_WRITE_FAILED', { disk: '/dev/sda', offset: 4096, reason: 'EIO' });
  assert.equal(errorBodyOf(error, 'pc-1').message, 'pc-1: writing /dev/sda at byte 4096 failed: EIO');
});

test('an error that nobody foresaw is reported as one of the agent, with its text', () => {
  const body = errorBodyOf(new TypeError('x is not a function'), 'pc-1');
  assert.equal(body.code, 'AGENT_FAILED');
  assert.equal(body.message, 'pc-1: x is not a function');
});
