import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

test('in mid-cast one host is taken out and another one is added, and the rest does not notice', {
  skip: noLab,
}, async (t) => {
  const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 24, linkMbit: 20 });
  const sessionId = await road.deploy('one', ['pc-1', 'pc-2', 'pc-3']);
  await road.untilMidCast(sessionId);
  await road.cli(['session', 'remove', String(sessionId), '--hosts', 'pc-3']);
  await road.cli(['session', 'add', String(sessionId), '--hosts', 'pc-4', '--yes']);
  const session = await road.until(sessionId, 'completed', ({ state }) => state === 'completed');
  assert.deepEqual(
    session.tasks.map(({ host, state, error }) => [host, state, error?.code]),
    [
      ['pc-1', 'succeeded', undefined],
      ['pc-2', 'succeeded', undefined],
      ['pc-3', 'cancelled', 'HOST_REMOVED'],
      ['pc-4', 'succeeded', undefined],
    ],
  );
  assert.equal(session.casts[0]!.outcome, 'sent', 'the cast went on without the one that left');
  await road.assertDeployed('one', ['pc-1', 'pc-2', 'pc-4']);
});
