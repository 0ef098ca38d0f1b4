import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStartPolicy, parseStartPolicy } from '#cli/start-policy.ts';

test('a start policy is all, now, a number, a deadline, or a number with a deadline', () => {
  assert.deepEqual(parseStartPolicy('all'), { when: 'all' });
  assert.deepEqual(parseStartPolicy('now'), { when: 'now' });
  assert.deepEqual(parseStartPolicy('30'), { when: 'count', count: 30 });
  assert.deepEqual(parseStartPolicy('deadline=10m'), { when: 'all', deadlineS: 600 });
  assert.deepEqual(parseStartPolicy('deadline=90s,5'), { when: 'all', deadlineS: 90, atLeast: 5 });
  assert.deepEqual(parseStartPolicy('all,deadline=1h30m'), { when: 'all', deadlineS: 5400 });
  assert.deepEqual(parseStartPolicy('30,deadline=10m,20'), {
    when: 'count',
    count: 30,
    deadlineS: 600,
    atLeast: 20,
  });
});

test('anything else is refused with START_INVALID', () => {
  const wrong = [
    ...['', 'foo', '0', '-1', '1.5', 'deadline', 'deadline=', 'deadline=10', 'deadline=0s', 'deadline=10m,0'],
    ...['now,deadline=10m', ',deadline=10m', 'alldeadline=10m', 'all,', 'deadline=10m,5,6', 'ALL', ' all'],
  ];
  for (const text of wrong) {
    assert.throws(() => parseStartPolicy(text), { code: 'START_INVALID', message: `${text} is not a start policy` });
  }
});

test('a start policy reads as the end of a sentence', () => {
  assert.equal(describeStartPolicy({ when: 'now' }), 'at once with whoever is ready');
  assert.equal(describeStartPolicy({ when: 'count', count: 30 }), 'when 30 are ready');
  assert.equal(
    describeStartPolicy({ when: 'all', deadlineS: 600 }),
    'when all are ready, or after 10m00s with whoever is ready',
  );
});
