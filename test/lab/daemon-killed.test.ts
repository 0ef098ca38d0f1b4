import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3'];

test('a daemon killed in mid-cast goes on with the session when it is back', { skip: noLab }, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 24, linkMbit: 20 });
  const sessionId = await road.deploy('one', hosts);
  await road.untilMidCast(sessionId);
  await road.lab.stopDaemon('SIGKILL');
  await road.startDaemon();
  const session = await road.untilCompleted(sessionId);
  assert.ok(session.casts.length >= 1);
  await road.assertDeployed('one', hosts);
});
