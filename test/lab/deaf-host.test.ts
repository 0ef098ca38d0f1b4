import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setLinkFault } from '#lab/lossy-link.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];

test('hosts that hear nothing or lose much are found before the cast and fetch the image over HTTP', {
  skip: noLab,
}, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 12, linkMbit: 40 });
  await setLinkFault(road.lab.topology, road.lab.host('pc-2'), { multicastLoss: 1 });
  await setLinkFault(road.lab.topology, road.lab.host('pc-3'), { multicastLoss: 0.5 });
  const sessionId = await road.deploy('one', hosts);
  const session = await road.untilCompleted(sessionId);
  assert.deepEqual(
    session.casts.map(({ receivers }) => receivers),
    [2],
  );
  for (const { host, deployResult } of session.tasks) {
    const isDeaf = host === 'pc-2' || host === 'pc-3';
    assert.equal(deployResult![isDeaf ? 'castBytes' : 'httpBytes'], 0, host);
  }
  const told = (await road.events(sessionId)).join('\n');
  assert.match(told, /^pc-2 hears no multicast: .*IGMP snooping without a querier.* It fetches the image over HTTP$/m);
  assert.match(told, /^pc-3 loses \d+ % of multicast: .*100 Mbit port/m);
  await road.assertDeployed('one', hosts);
});
