import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from '#protocol/agent-api.ts';
import type { CheckContent } from '#protocol/check.ts';
import { CheckOrders } from '#server/sessions/check-orders.ts';

const HOST = 7;
const listen: CheckContent = { checkId: 'a', step: 'listen', diskBytes: 1, diskMs: 1 };
const { signal: never } = new AbortController();

function reportOf(checks: CheckOrders, status: Report['status']): Report {
  return { rev: checks.orderFor(HOST)!.rev, status };
}

test('a host that is asked has the order until it is asked something else, and its report answers', async () => {
  const changed: number[] = [];
  const checks = new CheckOrders((hostId) => changed.push(hostId));
  const answer = checks.ask(HOST, listen, never);
  const order = checks.orderFor(HOST)!;
  assert.deepEqual({ ...order, rev: '' }, { kind: 'check', rev: '', ...listen });
  checks.note(HOST, reportOf(checks, 'working'));
  checks.note(HOST, { rev: 'another', status: 'done' });
  checks.note(HOST, reportOf(checks, 'done'));
  assert.equal((await answer)?.status, 'done');
  assert.equal(checks.orderFor(HOST), order);
  const next = checks.ask(HOST, { ...listen, step: 'measure' }, never);
  assert.notEqual(checks.orderFor(HOST)!.rev, order.rev);
  checks.note(HOST, reportOf(checks, 'failed'));
  assert.equal((await next)?.status, 'failed');
  assert.deepEqual(changed, [HOST, HOST]);
});

test('a host that gets something else to do, or takes too long, has no answer', async () => {
  const checks = new CheckOrders(() => undefined);
  const dropped = checks.ask(HOST, listen, never);
  checks.drop(HOST);
  checks.drop(HOST);
  assert.equal(await dropped, undefined);
  assert.equal(checks.orderFor(HOST), undefined);
  const limit = new AbortController();
  const late = checks.ask(HOST, listen, limit.signal);
  limit.abort();
  assert.equal(await late, undefined);
  assert.equal(await checks.ask(HOST, listen, limit.signal), undefined);
});
