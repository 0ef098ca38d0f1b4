import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayWake, recentWakes, type WakeFacts, type WakeRule } from '#server/sessions/wake-wave.ts';

const rule: WakeRule = { intervalMs: 20_000, gapMs: 5000, wave: 2 };
const facts: WakeFacts = { wakes: [], isSomebodyUnwoken: () => false, nowMs: 100_000 };

test('without waves every host is woken at once, and again after the interval', () => {
  const free: WakeRule = { intervalMs: 20_000, gapMs: 5000 };
  const many = { ...facts, wakes: Array.from({ length: 100 }, () => 100_000) };
  assert.equal(mayWake(many, free), true);
  assert.equal(mayWake({ ...many, lastWakeMs: 80_001 }, free), false);
  assert.equal(mayWake({ ...many, lastWakeMs: 80_000 }, free), true);
});

test('no more than a wave is woken within any gap', () => {
  assert.equal(mayWake({ ...facts, wakes: [99_000] }, rule), true);
  assert.equal(mayWake({ ...facts, wakes: [95_001, 99_000] }, rule), false);
  assert.equal(mayWake({ ...facts, wakes: [95_000, 99_000] }, rule), true);
});

test('a host that does not wake up leaves the wave to those that were never called', () => {
  const deaf = { ...facts, lastWakeMs: 10_000 };
  assert.equal(mayWake({ ...deaf, isSomebodyUnwoken: () => true }, rule), false);
  assert.equal(mayWake(deaf, rule), true);
});

test('a room of any size is woken in waves, every host once, none twice before the last', () => {
  const hosts = 23;
  const last = new Map<number, number>();
  let wakes: readonly number[] = [];
  const perSecond: number[] = [];
  for (let nowMs = 0; last.size < hosts; nowMs += 1000) {
    let count = 0;
    for (let host = 0; host < hosts; host++) {
      const now = { lastWakeMs: last.get(host), wakes, isSomebodyUnwoken: () => last.size < hosts, nowMs };
      if (!mayWake(now, { intervalMs: 2000, gapMs: 5000, wave: 10 })) continue;
      assert.equal(last.has(host), false);
      last.set(host, nowMs);
      wakes = [...recentWakes(wakes, 5000, nowMs), nowMs];
      count++;
    }
    perSecond.push(count);
  }
  assert.deepEqual(perSecond, [10, 0, 0, 0, 0, 10, 0, 0, 0, 0, 3]);
});
