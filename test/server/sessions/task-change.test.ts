import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownError } from '#protocol/errors.ts';
import type { TaskRow } from '#server/db/task-row.ts';
import { changeOf, rowAfter } from '#server/sessions/task-change.ts';

const disk = { serial: 'S-1', model: 'Disk', sizeBytes: 1_000_000, sectorBytes: 512 };
const row: TaskRow = {
  ...{ taskId: 1, sessionId: 1, hostId: 1, host: 'pc-1', disk, number: 1, wave: 1, round: 4, repairs: 1, have: 0 },
  ...{ state: 'receiving', hasWritten: true, isHashing: false, isDeaf: false, stateMs: 1000, startedMs: 1000 },
};
const about = { report: undefined, isHashing: undefined, nowMs: 2000 };

test('a task that ends forgets its holes and has an end; what it was told stays', () => {
  const error = knownError('HOST_LOST', { host: 'pc-1', seconds: 60 }).toBody();
  const change = changeOf(row, { to: 'failed', error }, about);
  assert.deepEqual(change, { state: 'failed', endedMs: 2000, holes: null, error });
  const after = rowAfter(row, change, undefined, 2000);
  assert.deepEqual(after, { ...row, state: 'failed', round: 5, stateMs: 2000, endedMs: 2000, error });
});

test('only the first preparation starts a task, and a repair that did not help is counted', () => {
  const { startedMs: _, ...fresh } = { ...row, state: 'booting' as const };
  assert.equal(changeOf(fresh, { to: 'preparing' }, about).startedMs, 2000);
  assert.equal(changeOf({ ...row, state: 'booting' }, { to: 'preparing' }, about).startedMs, undefined);
  const again = changeOf({ ...row, state: 'repairing' }, { to: 'ready', isFruitless: true }, about);
  assert.equal(again.repairs, 2);
});

test('a move that the states do not have is a bug', () => {
  assert.throws(() => changeOf(row, { to: 'pending' }, about), /receiving to pending/);
});
