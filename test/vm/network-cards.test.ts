import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noVm, VmRoad } from './vm-road.ts';

const firmwares = ['bios', 'uefi'] as const;

test('a machine with two network cards runs the agent over the one that it booted from, under BIOS and UEFI', {
  skip: noVm,
}, async (t) => {
  const road = await VmRoad.build(t, { firmwares, lightHosts: [], hasIdleCards: true });
  for (const firmware of firmwares) road.rack.powerOn(road.vm(firmware));
  await Promise.all(
    firmwares.map(async (firmware) => {
      const { mac, idleCard } = road.vm(firmware);
      const { inventory } = await road.untilRegistered(firmware);
      assert.equal(inventory!.mac, mac);
      assert.equal(inventory!.interface, 'eth1', 'the idle card is the first one');
      assert.deepEqual(inventory!.macs, [idleCard!.mac, mac]);
    }),
  );
});
