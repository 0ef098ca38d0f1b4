import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DueFacts, decideDue, MOST_COUNTED, ON_TIME_MS } from '#server/schedules/decide-due.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Every day at 02:00, a window of four hours. */
const next = (afterMs: number) => Math.floor((afterMs - 2 * HOUR_MS) / DAY_MS + 1) * DAY_MS + 2 * HOUR_MS;
const at = (day: number, hour: number) => day * DAY_MS + hour * HOUR_MS;
const untilOf = (startMs: number) => Math.floor(startMs / DAY_MS) * DAY_MS + 6 * HOUR_MS;

const decide = (facts: Partial<DueFacts>) =>
  decideDue({
    checkedMs: at(0, 12),
    nowMs: at(0, 12),
    next,
    untilOf: () => undefined,
    catchUp: false,
    isRunning: false,
    ...facts,
  });

test('nothing is due before its time', () => {
  assert.deepEqual(decide({ nowMs: at(1, 2) - 1 }), {});
});

test('a run begins at its time, and up to five minutes after it counts as on time', () => {
  for (const nowMs of [at(1, 2), at(1, 2) + ON_TIME_MS]) {
    assert.deepEqual(decide({ nowMs }), { due: { dueMs: at(1, 2), kind: 'time', isOverlap: false } });
  }
});

test('after a downtime a time without a window is missed', () => {
  assert.deepEqual(decide({ nowMs: at(1, 3) }), { missed: { firstMs: at(1, 2), lastMs: at(1, 2), count: 1 } });
});

test('after a downtime a run begins late while its window is open', () => {
  assert.deepEqual(decide({ nowMs: at(1, 5), untilOf }), {
    due: { dueMs: at(1, 2), kind: 'late', untilMs: at(1, 6), isOverlap: false },
  });
});

test('a window that has closed is missed, never run late', () => {
  const missed = { firstMs: at(1, 2), lastMs: at(1, 2), count: 1 };
  assert.deepEqual(decide({ nowMs: at(1, 6), untilOf }), { missed });
  assert.deepEqual(decide({ nowMs: at(1, 6), untilOf, catchUp: true }), { missed });
});

test('of several times that passed only the last is run, the others are counted as missed', () => {
  assert.deepEqual(decide({ nowMs: at(4, 5), untilOf }), {
    missed: { firstMs: at(1, 2), lastMs: at(3, 2), count: 3 },
    due: { dueMs: at(4, 2), kind: 'late', untilMs: at(4, 6), isOverlap: false },
  });
});

test('who catches up runs the last time that passed, however late', () => {
  assert.deepEqual(decide({ nowMs: at(3, 20), catchUp: true }), {
    missed: { firstMs: at(1, 2), lastMs: at(2, 2), count: 2 },
    due: { dueMs: at(3, 2), kind: 'late', isOverlap: false },
  });
});

test('a time that comes while the run before is there is an overlap', () => {
  assert.equal(decide({ nowMs: at(1, 2), isRunning: true }).due?.isOverlap, true);
});

test('after years of downtime the count stops and the last time is still right', () => {
  const { missed } = decide({ nowMs: at(5000, 12) });
  assert.equal(missed?.count, MOST_COUNTED + 1);
  assert.equal(missed?.lastMs, at(5000, 2));
  assert.equal(missed?.firstMs, at(1, 2));
});

test('a clock that was put back is waited for', () => {
  assert.deepEqual(decide({ checkedMs: at(1, 3), nowMs: at(1, 1) }), {});
});
