import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setLinkFault } from '#lab/lossy-link.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3'];

test('a one-way cast brings the image past lost packets, and what is lost beyond repair comes afterwards', {
  skip: noLab,
}, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 12, linkMbit: 40 });
  const { topology } = road.lab;
  const refused = await road.lab.fleetcast(['deploy', 'one', '--hosts', 'pc-1', '--mode', 'oneway', '--yes']);
  assert.match(refused.stderr, /needs a rate/);

  const oneway = ['--mode', 'oneway', '--rate', '30', '--delta', 'never'];
  await t.test('one packet in a hundred is made good by the spare ones: most comes by the cast', async () => {
    for (const name of hosts) await setLinkFault(topology, road.lab.host(name), { loss: 0.01 });
    const session = await road.untilCompleted(await road.deploy('one', hosts, [...oneway, '--on-done', 'stay']));
    assert.equal(session.mode, 'oneway');
    for (const { deployResult } of session.tasks) assert.ok(deployResult!.castBytes > deployResult!.httpBytes);
    await road.assertDeployed('one', hosts);
  });

  await t.test(
    'a third of all packets cannot be made good: the frames between are kept, the rest is repaired',
    async () => {
      await setLinkFault(topology, road.lab.host('pc-2'), { loss: 0.3 });
      const sessionId = await road.deploy('one', hosts, oneway);
      await road.until(sessionId, 'the cast is over', ({ casts }) => casts[0]?.endedAtMs !== undefined);
      // TCP crawls on such a link.
      await setLinkFault(topology, road.lab.host('pc-2'), {});
      const session = await road.untilCompleted(sessionId);
      const lossy = session.tasks.find(({ host }) => host === 'pc-2')!;
      assert.ok(lossy.deployResult!.httpBytes + lossy.deployResult!.castBytes > 0);
      await road.assertDeployed('one', hosts);
    },
  );
});
