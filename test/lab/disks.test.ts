import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '#system/run.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

test('a disk of which something is mounted is refused before a write, and the other hosts go on', {
  skip: noLab,
}, async (t) => {
  const hosts = ['pc-1', 'pc-2'];
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 16, linkMbit: 100 });
  const used = road.lab.diskOf(road.lab.host('pc-1'));
  await run(['mke2fs', '-q', '-t', 'ext4', used]);
  const point = join(road.lab.folder.path, 'mounted');
  mkdirSync(point);
  // After its hello: the plan cannot know, the agent must.
  await run(['mount', '-o', 'loop,ro', used, point]);
  const before = readFileSync(used);
  try {
    const sessionId = await road.deploy('one', hosts, ['--start', 'now']);
    const session = await road.until(sessionId, 'ended', ({ state }) => state === 'completed');
    assert.deepEqual(
      session.tasks.map(({ state, error }) => error?.code ?? state),
      ['DISK_IN_USE', 'succeeded'],
    );
    assert.ok(readFileSync(used).equals(before), 'not a byte was written');
  } finally {
    await run(['umount', point]);
  }
  await road.assertDeployed('one', ['pc-2']);
});
