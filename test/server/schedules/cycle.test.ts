import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CycleFacts, chooseHosts } from '#server/schedules/cycle.ts';

const targets = ['a', 'b', 'c'].map((name, i) => ({ hostId: i + 1, name }));
const left = (...hostIds: number[]) => hostIds.map((hostId) => ({ hostId, host: `was-${hostId}`, hasWritten: true }));
const choose = (facts: Partial<CycleFacts>) =>
  chooseHosts({ targets, manifestId: 'v1', doneHostIds: new Set(), ...facts });

test('a new cycle takes every host', () => {
  assert.deepEqual(choose({}), { isRest: false, hosts: ['a', 'b', 'c'] });
  assert.deepEqual(choose({ before: { manifestId: 'v1', leftOver: [] } }), { isRest: false, hosts: ['a', 'b', 'c'] });
});

test('what the window left over is taken first and alone', () => {
  const before = { manifestId: 'v1', leftOver: left(3, 2) };
  assert.deepEqual(choose({ before }), { isRest: true, hosts: ['b', 'c'] });
});

test('a new version of the image begins a new cycle', () => {
  const before = { manifestId: 'v0', leftOver: left(2) };
  assert.deepEqual(choose({ before }), { isRest: false, hosts: ['a', 'b', 'c'] });
});

test('hosts that left the group are not taken, and do not hold the next cycle up', () => {
  assert.deepEqual(choose({ before: { manifestId: 'v1', leftOver: left(9) } }).isRest, false);
});

test('a cycle that begins in the same window leaves out what was done there', () => {
  assert.deepEqual(choose({ doneHostIds: new Set([2]) }), { isRest: false, hosts: ['a', 'c'] });
});
