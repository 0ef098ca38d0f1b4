import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upLine } from '#lab/up-line.ts';
import { noVm, VmRoad } from './vm-road.ts';

const firmwares = ['secure-boot', 'uefi-http'] as const;

test('machines with Secure Boot and with HTTP Boot reach the agent and boot what was restored', {
  skip: noVm,
}, async (t) => {
  const road = await VmRoad.build(t, { firmwares, lightHosts: ['golden'] });
  await road.plantBootableDisk('golden', 'golden');
  const golden = road.lab.host('golden');

  await t.test('signed shim, GRUB and kernel bring the agent, over TFTP and over HTTP alone', async () => {
    road.lab.powerOn(golden);
    const startedMs = performance.now();
    for (const firmware of firmwares) road.rack.powerOn(road.vm(firmware));
    await Promise.all(
      firmwares.map(async (firmware) => {
        const { inventory } = await road.untilRegistered(firmware);
        t.diagnostic(`${firmware}: agent ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
        assert.equal(inventory!.firmware, 'uefi');
        assert.deepEqual(
          inventory!.disks.map(({ serial }) => serial),
          [road.vm(firmware).diskSerial],
        );
      }),
    );
  });

  await t.test('the restored system boots by the signed chain of its own disk', async () => {
    await road.cli(['capture', 'golden', '--as', 'os']);
    await road.deploy('os', [...firmwares]);
    for (const firmware of firmwares) {
      await road.untilSaidAndOff(road.vm(firmware), upLine('golden'));
      road.assertSameDisk(road.rack.diskOf(road.vm(firmware)), road.lab.diskOf(golden));
    }
  });
});
