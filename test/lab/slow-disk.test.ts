import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noSlowDisk, slowDisk } from '#lab/slow-disk.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];

test('a host whose disk is far too slow is parked, and the others have the image long before it', {
  skip: noLab || (noSlowDisk() ?? false),
}, async (t) => {
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 32, linkMbit: 20 });
  const slow = road.lab.host('pc-2');
  slowDisk(road.lab.folder, slow, 250_000);
  const sessionId = await road.deploy('one', hosts);
  const parked = await road.until(sessionId, 'pc-2 is parked', ({ tasks }) =>
    tasks.some(({ host, parkedBytesPerSecond }) => host === slow.name && parkedBytesPerSecond !== undefined),
  );
  assert.equal(parked.casts.at(-1)!.endedAtMs, undefined, 'it was parked while the cast ran');
  const done = await road.until(
    sessionId,
    'the others are done',
    ({ tasks }) => tasks.filter(({ host, state }) => host !== slow.name && state === 'succeeded').length === 3,
  );
  assert.notEqual(done.tasks.find(({ host }) => host === slow.name)!.state, 'succeeded');
  // Its disk is well again: what it lacks comes over HTTP.
  slowDisk(road.lab.folder, slow, 100e6);
  await road.untilCompleted(sessionId);
  await road.assertDeployed('one', hosts);
  const told = await road.events(sessionId);
  assert.ok(
    told.some((text) => /^pc-2 writes [\d.]+ MB\/s, the others [\d.]+ MB\/s: parked, will be repaired$/.test(text)),
    told.join('\n'),
  );
});
