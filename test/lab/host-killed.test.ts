import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3'];

test('a host that loses power in mid-cast comes back and is finished, and the others do not fail', {
  skip: noLab,
}, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 24, linkMbit: 20 });
  const victim = road.lab.host('pc-2');
  const sessionId = await road.deploy('one', hosts);
  await road.untilMidCast(sessionId);
  await road.lab.cutPower(victim);
  await road.until(
    sessionId,
    'the others are done',
    ({ tasks }) => tasks.filter(({ host, state }) => host !== victim.name && state === 'succeeded').length === 2,
  );
  road.lab.powerOn(victim);
  await road.untilCompleted(sessionId);
  await road.assertDeployed('one', hosts);
});

test('a host that comes late, after the cast began without it, gets the same disk', { skip: noLab }, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 16, linkMbit: 20 });
  const late = road.lab.host('pc-3');
  await road.lab.cutPower(late);
  const sessionId = await road.deploy('one', hosts, ['--start', '2']);
  await road.untilMidCast(sessionId);
  road.lab.powerOn(late);
  const session = await road.untilCompleted(sessionId);
  assert.equal(session.casts[0]!.receivers, 2);
  await road.assertDeployed('one', hosts);
});
