import assert from 'node:assert/strict';
import { test } from 'node:test';
import { confirmSlowPaths, findSlowPaths } from '#server/sessions/probe-paths.ts';

const COUNT = 200;

/** Spans of 200 datagrams, in ms, of tasks 1, 2, 3, … */
function heard(...spans: readonly (number | undefined)[]) {
  return new Map(
    spans.map((spanMs, i) => [i + 1, { heard: COUNT, of: COUNT, ...(spanMs === undefined ? {} : { spanMs }) }]),
  );
}

const mbitOf = (pace: number | undefined) => Math.round((pace! * 8) / 1e6);

test('a host that hears the probe over 234 ms, the others over 24, has a cable of 10 Mbit/s', () => {
  const paths = findSlowPaths(heard(24, 234, 23, 25), COUNT)!;
  assert.deepEqual([...paths.slow.keys()], [2]);
  assert.equal(mbitOf(paths.slow.get(2)), 10);
  assert.equal(mbitOf(paths.usualBytesPerSecond), 98);
});

test('one that is a little late is a busy host, and when most are late nobody is slow', () => {
  assert.equal(findSlowPaths(heard(24, 90, 23, 25), COUNT), undefined);
  assert.equal(findSlowPaths(heard(60, 140, 60, 60), COUNT), undefined);
  assert.equal(findSlowPaths(heard(24, 234, 240, 238), COUNT), undefined);
  assert.equal(
    findSlowPaths(heard(24, undefined, 24), COUNT),
    undefined,
    'an older agent does not say how long it took',
  );
});

test('a datagram that takes its time once is forgotten: both probes must say the same', () => {
  const first = findSlowPaths(heard(24, 234, 23, 300), COUNT)!;
  const second = findSlowPaths(heard(24, 230, 23, 25), COUNT);
  assert.deepEqual([...confirmSlowPaths(first, second)!.slow.keys()], [2]);
  assert.equal(mbitOf(confirmSlowPaths(first, second)!.slow.get(2)), 10);
  assert.equal(confirmSlowPaths(first, findSlowPaths(heard(24, 25, 23, 25), COUNT)), undefined);
});
