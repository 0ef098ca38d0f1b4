import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

test('two images are cast to two pairs of hosts at the same time, and each host gets its own', {
  skip: noLab,
}, async (t) => {
  const [red, blue] = [
    ['pc-1', 'pc-2'],
    ['pc-3', 'pc-4'],
  ];
  const road = await Road.build(t, { hosts: [...red!, ...blue!], images: ['red', 'blue'], usedMiB: 16, linkMbit: 30 });
  const sessions = [await road.deploy('red', red!), await road.deploy('blue', blue!)];
  const [one, two] = await Promise.all(sessions.map((sessionId) => road.untilCompleted(sessionId)));

  const spans = [one!, two!].map(({ casts }) => ({ from: casts[0]!.firstByteAtMs!, to: casts[0]!.endedAtMs! }));
  assert.ok(spans[0]!.from < spans[1]!.to && spans[1]!.from < spans[0]!.to, 'the casts ran at the same time');
  await road.assertDeployed('red', red!);
  await road.assertDeployed('blue', blue!);
});
