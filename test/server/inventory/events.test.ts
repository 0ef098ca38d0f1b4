import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownError } from '#protocol/errors.ts';
import { makeInventory } from '../inventory-fixture.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('an event keeps everything that was said', () => {
  const { events } = makeInventory();
  const error = knownError('HOST_LOST', { host: 'pc-01', seconds: 300 }).toBody();
  const added = events.add({
    subject: 'task',
    action: 'state',
    text: 'pc-01 failed',
    sessionId: 3,
    hostId: 5,
    host: 'pc-01',
    error,
  });
  assert.deepEqual(added, {
    eventId: added.eventId,
    atMs: 1_000_000,
    subject: 'task',
    action: 'state',
    sessionId: 3,
    hostId: 5,
    host: 'pc-01',
    text: 'pc-01 failed',
    error,
  });
  assert.deepEqual(events.list(), [added]);
});

test('the list is the newest events, or those next to an id, oldest first', () => {
  const { events } = makeInventory();
  for (let n = 1; n <= 10; n++) events.add({ subject: 'x', action: 'a', text: String(n), sessionId: n % 2, hostId: n });
  const texts = (query: Parameters<typeof events.list>[0]) => events.list(query).map((event) => event.text);
  assert.deepEqual(texts({ limit: 3 }), ['8', '9', '10']);
  assert.deepEqual(texts({ after: 4, limit: 3 }), ['5', '6', '7']);
  assert.deepEqual(texts({ sessionId: 1 }), ['1', '3', '5', '7', '9']);
  assert.deepEqual(texts({ sessionId: 1, after: 5 }), ['7', '9']);
  assert.deepEqual(texts({ hostId: 4 }), ['4']);
});

test('a listener hears of committed events in order, and of none that was rolled back', async () => {
  const { events, database } = makeInventory();
  events.add({ subject: 'x', action: 'a', text: 'before' });
  const heard: string[] = [];
  const stop = events.onEvent((event) => heard.push(event.text));
  database.transaction(() => {
    events.add({ subject: 'x', action: 'a', text: 'one' });
    events.add({ subject: 'x', action: 'a', text: 'two' });
    assert.deepEqual(heard, []);
  })();
  assert.throws(
    database.transaction(() => {
      events.add({ subject: 'x', action: 'a', text: 'undone' });
      throw new Error('roll back');
    }),
  );
  events.add({ subject: 'x', action: 'a', text: 'three' });
  await nextTurn();
  assert.deepEqual(heard, ['one', 'two', 'three']);
  stop();
  events.add({ subject: 'x', action: 'a', text: 'four' });
  await nextTurn();
  assert.equal(heard.length, 3);
});
