import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

test('hosts in the agent are switched off, woken again and seen; a host without power is named', {
  skip: noLab,
}, async (t) => {
  const road = await Road.build(t, { hosts: ['pc-1', 'pc-2'], images: [], usedMiB: 16, linkMbit: 1000 });
  assert.equal(await road.cli(['power', 'off', '--group', 'all']), 'pc-1 switches off.\npc-2 switches off.');
  await road.untilAsleep(['pc-1', 'pc-2']);
  const away = await road.lab.fleetcast(['power', 'reboot', 'pc-1']);
  assert.deepEqual([away.exitCode, away.stderr.split('\n')[0]], [11, 'fleetcast: pc-1 is not in the agent']);
  await road.cli(['host', 'add', 'no-power', '52:54:00:99:99:99']);
  const woken = await road.lab.fleetcast(['wake', 'pc-1', 'pc-2', 'no-power', '--wait', '8s']);
  assert.equal(woken.exitCode, 3);
  assert.deepEqual(woken.stdout.trim().split('\n').sort(), ['pc-1 is up.', 'pc-2 is up.']);
  assert.match(woken.stderr, /Not up 8 s after they were woken: no-power/);
});
