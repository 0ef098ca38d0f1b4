import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upLine } from '#lab/bootable-disk.ts';
import type { ImageView } from '#protocol/admin-api.ts';
import { noVm, VmRoad } from './vm-road.ts';

const names = ['bios', 'uefi'] as const;

test('machines with BIOS and UEFI go from power-on to a restored system that boots', { skip: noVm }, async (t) => {
  const road = await VmRoad.build(t, { firmwares: names, lightHosts: ['golden', 'pc-1'] });
  await road.plantBootableDisk('golden', 'golden');
  const golden = road.lab.diskOf(road.lab.host('golden'));

  await t.test('they boot the agent from the network, which tells firmware and disks', async () => {
    for (const host of road.lab.topology.hosts) road.lab.powerOn(host);
    const startedMs = performance.now();
    for (const name of names) road.rack.powerOn(road.vm(name));
    await Promise.all(
      names.map(async (name) => {
        const { inventory } = await road.untilRegistered(name);
        t.diagnostic(`${name}: agent ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
        const vm = road.vm(name);
        assert.equal(inventory!.firmware, name);
        assert.equal(inventory!.systemUuid, vm.systemUuid);
        assert.deepEqual(
          inventory!.disks.map(({ serial, sizeBytes, transport }) => ({ serial, sizeBytes, transport })),
          [{ serial: vm.diskSerial, sizeBytes: 64 * 1024 * 1024, transport: 'virtio' }],
        );
      }),
    );
  });

  await t.test('one cast restores both beside a light host', async () => {
    await road.cli(['capture', 'golden', '--as', 'os']);
    const session = await road.deploy('os', [...names, 'pc-1']);
    assert.equal(session.casts.length, 1);
    assert.equal(session.casts[0]!.receivers, 3);
    for (const { deployResult } of session.tasks) assert.equal(deployResult!.verifiedChunks, deployResult!.chunks);
  });

  await t.test('each boots its own disk, and the restored system says so', async () => {
    await Promise.all(names.map((name) => road.untilSaidAndOff(road.vm(name), upLine('golden'))));
    for (const name of names) road.assertSameDisk(road.rack.diskOf(road.vm(name)), golden);
    road.assertSameDisk(road.lab.diskOf(road.lab.host('pc-1')), golden);
  });

  await t.test('a machine that is off is woken to be captured, and all its chunks are known', async () => {
    await road.cli(['capture', 'bios', '--as', 'os']);
    const image = (await road.lab.get('/api/v1/images/os')) as ImageView;
    assert.equal(image.versions.length, 1, 'the same disk is the same version');
  });
});
