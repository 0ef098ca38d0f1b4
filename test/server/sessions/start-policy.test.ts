import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StartPolicy } from '#protocol/admin/deploy-api.ts';
import { maySessionStart, NOW_SETTLE_MS, type StartFacts } from '#server/sessions/start-policy.ts';

const base: StartFacts = {
  ready: 3,
  preparing: 0,
  running: 10,
  isStartNow: false,
  gatheringMs: 0,
  firstReadyMs: 0,
  nowMs: 0,
};

const cases: readonly [title: string, policy: StartPolicy, facts: Partial<StartFacts>, mayStart: boolean][] = [
  ['all: not before the last is ready', { when: 'all' }, { ready: 9 }, false],
  ['all: the last is ready', { when: 'all' }, { ready: 10 }, true],
  ['nobody is ready', { when: 'now' }, { ready: 0 }, false],
  ['nobody is ready and the deadline has passed', { when: 'all', deadlineS: 1 }, { ready: 0, nowMs: 5000 }, false],
  ['N ready', { when: 'count', count: 3 }, {}, true],
  ['fewer than N', { when: 'count', count: 4 }, {}, false],
  ['fewer than N are left', { when: 'count', count: 4 }, { running: 3 }, true],
  ['now: whoever is ready', { when: 'now' }, {}, true],
  ['now: a moment for those who prepare', { when: 'now' }, { preparing: 1 }, false],
  ['now: but only a moment', { when: 'now' }, { preparing: 1, nowMs: NOW_SETTLE_MS }, true],
  ['the admin says now', { when: 'all' }, { isStartNow: true }, true],
  ['before the deadline', { when: 'all', deadlineS: 60 }, { nowMs: 59_999 }, false],
  ['at the deadline', { when: 'all', deadlineS: 60 }, { nowMs: 60_000 }, true],
  ['at the deadline with too few', { when: 'all', deadlineS: 60, atLeast: 4 }, { nowMs: 60_000 }, false],
  ['at the deadline with enough', { when: 'all', deadlineS: 60, atLeast: 3 }, { nowMs: 60_000 }, true],
];
for (const [title, policy, facts, mayStart] of cases) {
  test(`${title}: ${mayStart ? 'it starts' : 'it waits'}`, () => {
    assert.equal(maySessionStart(policy, { ...base, ...facts }), mayStart);
  });
}
