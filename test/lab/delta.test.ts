import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driftDisk, manifestIn, spreadChunks } from '#lab/drift.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { placeOf } from '#protocol/manifest.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];

test('disks that hold nearly the image are hashed, and only what they lack travels', { skip: noLab }, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 24, linkMbit: 20 });
  const diskOf = (host: string) => road.lab.diskOf(road.lab.host(host));
  const first = await road.untilCompleted(await road.deploy('one', hosts));
  const manifest = manifestIn(road.lab, first.manifestId!);
  const imageBytes = Array.from({ length: manifest.chunkCount }, (_, i) => placeOf(manifest, i).plainBytes).reduce(
    (sum, bytes) => sum + bytes,
    0,
  );
  const movedBytes = ({ tasks }: SessionView) =>
    tasks.reduce((sum, { deployResult }) => sum + deployResult!.castBytes + deployResult!.httpBytes, 0);
  const assertAllVerified = ({ tasks }: SessionView) => {
    for (const { deployResult } of tasks) assert.equal(deployResult!.verifiedChunks, manifest.chunkCount);
  };

  await t.test('the plan says that the disks will be hashed, and why', async () => {
    const printed = await road.cli(['--json', 'deploy', 'one', '--hosts', hosts.join(), '--dry-run']);
    const plan = JSON.parse(printed) as DeployPlan;
    for (const { delta } of plan.hosts) {
      assert.equal(delta?.hash, true, JSON.stringify(delta));
      assert.match(delta.because, /^its disk has had one@1 since session \d+;/);
    }
  });

  await t.test('disks that are equal get nothing, and are verified all the same', async () => {
    await road.untilAsleep(hosts);
    const session = await road.untilCompleted(await road.deploy('one', hosts));
    assert.deepEqual(session.casts, []);
    assert.equal(movedBytes(session), 0);
    assertAllVerified(session);
    await road.assertDeployed('one', hosts);
  });

  await t.test('at 2 % drift, partly the same on all hosts, less than 15 % of the bytes travel', async () => {
    await road.untilAsleep(hosts);
    for (const [i, host] of hosts.entries()) {
      const own = spreadChunks(manifest, 0.01, 2 + i);
      driftDisk(diskOf(host), manifest, [...spreadChunks(manifest, 0.01), ...own]);
    }
    const session = await road.untilCompleted(await road.deploy('one', hosts));
    assert.ok(movedBytes(session) > 0);
    assert.ok(movedBytes(session) < 0.15 * imageBytes, `${movedBytes(session)} of ${imageBytes} bytes`);
    assertAllVerified(session);
    await road.assertDeployed('one', hosts);
  });

  await t.test('a host that loses power in mid-cast, and one whose agent dies, keep what was laid', async () => {
    await road.untilAsleep(hosts);
    // Hashing finds nothing here: the whole image is cast.
    for (const host of hosts) driftDisk(diskOf(host), manifest, spreadChunks(manifest, 1));
    const sessionId = await road.deploy('one', hosts);
    const victims = ['pc-2', 'pc-3'];
    await road.until(sessionId, 'most of the image is laid', ({ tasks }) =>
      tasks
        .filter(({ host }) => victims.includes(host))
        .every(
          ({ state, progress }) =>
            state === 'receiving' && progress?.phase === 'receive' && progress.holes! < 0.4 * manifest.chunkCount,
        ),
    );
    assert.ok(road.lab.killAgent(road.lab.host('pc-3')));
    await road.lab.cutPower(road.lab.host('pc-2'));
    road.lab.powerOn(road.lab.host('pc-2'));
    const session = await road.untilCompleted(sessionId);
    for (const { host, deployResult } of session.tasks) {
      const keptShare = deployResult!.keptBytes! / imageBytes;
      if (victims.includes(host)) assert.ok(keptShare > 0.3 && keptShare < 1, `${host} kept ${keptShare}`);
      else assert.equal(keptShare, 0, host);
    }
    assertAllVerified(session);
    await road.assertDeployed('one', hosts);
  });
});
