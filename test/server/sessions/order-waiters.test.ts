import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Order } from '#protocol/agent-api.ts';
import { OrderWaiters } from '#server/sessions/order-waiters.ts';
import { HeldClock, letRun } from './held-clock.ts';

const never = new AbortController().signal;

/** Hosts from 1 that wait for another order than 'a', and those that have heard of it. */
function waitAll(count: number) {
  const clock = new HeldClock();
  const waiters = new OrderWaiters(clock);
  let order: Order = { kind: 'wait', rev: 'a' };
  const told: number[] = [];
  for (let hostId = 1; hostId <= count; hostId++) {
    void waiters.wait(hostId, 'a', () => order, never).then(() => told.push(hostId));
  }
  return {
    clock,
    waiters,
    told,
    change: () => {
      order = { kind: 'wait', rev: 'b' };
      for (let hostId = 1; hostId <= count; hostId++) waiters.wakeUp(hostId);
    },
  };
}

test('the hosts of a room are told of their orders at once', async () => {
  const { told, change } = waitAll(42);
  change();
  await letRun();
  assert.equal(told.length, 42);
});

test('a thousand hosts are told at a pace, in turn, and none is left out', async () => {
  const { clock, told, change } = waitAll(1000);
  change();
  await letRun();
  assert.equal(told.length, 60);
  await clock.advance(1);
  assert.ok(told.length > 60 && told.length < 500, `${told.length} after a second`);
  await clock.advance(60);
  assert.deepEqual(
    told,
    Array.from({ length: 1000 }, (_, i) => i + 1),
  );
});

test('a host whose call has ended meanwhile is passed over, and the next one is told', async () => {
  const clock = new HeldClock();
  const waiters = new OrderWaiters(clock);
  const gone = new AbortController();
  let rev = 'a';
  const read = (): Order => ({ kind: 'wait', rev });
  const first = waiters.wait(1, 'a', read, gone.signal);
  const second = waiters.wait(2, 'a', read, never);
  gone.abort();
  assert.equal((await first).rev, 'a');
  rev = 'b';
  waiters.wakeUp(1);
  waiters.wakeUp(2);
  assert.equal((await second).rev, 'b');
});
