import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageView } from '#protocol/admin/image-api.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];

test('a captured disk is cast to four hosts, and foreign programs find it on each', { skip: noLab }, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 16, linkMbit: 100 });

  await t.test('the first deployment comes by one cast and is verified', async () => {
    const session = await road.untilCompleted(await road.deploy('one', hosts));
    assert.equal(session.casts.length, 1);
    for (const { deployResult } of session.tasks) {
      assert.equal(deployResult!.httpBytes, 0);
      assert.equal(deployResult!.verifiedChunks, deployResult!.chunks);
    }
    await road.assertDeployed('one', hosts);
  });

  await t.test('hosts that have their image boot their own disk', () => road.untilAsleep(hosts));

  await t.test('capturing the same disk again makes no new version and stores nothing', async () => {
    await road.cli(['capture', 'golden-one', '--as', 'one']);
    const image = (await road.lab.get('/api/v1/images/one')) as ImageView;
    assert.equal(image.versions.length, 1);
  });

  await t.test('sleeping hosts are woken for the next deployment', async () => {
    await road.untilCompleted(await road.deploy('one@1', hosts));
    await road.assertDeployed('one', hosts);
  });
});
