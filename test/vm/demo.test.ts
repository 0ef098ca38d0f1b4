import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { execa } from 'execa';
import type { DemoJson } from '#lab/demo-report.ts';
import { Lab } from '#lab/lab.ts';
import { Machines } from '#lab/machines.ts';
import { VmRack } from '#lab/vm-rack.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { ImageView } from '#protocol/admin/image-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { takeLabTurn } from '../lab/lab-turn.ts';
import { noVm } from './vm-road.ts';

/** Alone two minutes; the boot assets may have to be built first. */
const DEMO_LIMIT_MS = 800_000;

test('npm run demo -- --vm: BIOS and UEFI from power-on to a restored system that boots, and captured again', {
  skip: noVm,
}, async (t) => {
  await takeLabTurn(t);
  const { lab, json } = await runKeptDemo(t);

  await t.test('one cast restores both beside a light host, and what was restored speaks', async () => {
    const { hosts, vms, vmsBooted, succeeded, verified, passes } = json;
    assert.deepEqual(
      { hosts, vms, vmsBooted, succeeded, verified, passes },
      { hosts: 3, vms: 2, vmsBooted: 2, succeeded: 3, verified: 3, passes: 1 },
    );
    const { casts, tasks } = (await lab.get('/api/v1/sessions/2')) as SessionView;
    assert.equal(casts[0]!.receivers, 3);
    for (const { deployResult } of tasks) assert.equal(deployResult!.verifiedChunks, deployResult!.chunks);
  });

  const rack = VmRack.attach(lab);
  const machines = new Machines(lab, rack);
  await t.test('the agent told firmware and disks of each machine', async () => {
    const hosts = (await lab.get('/api/v1/hosts')) as HostView[];
    for (const [name, firmware] of [['vm-1', 'bios'] as const, ['vm-2', 'uefi'] as const]) {
      const vm = machines.find(name).vm!;
      const { inventory } = hosts.find((host) => host.name === name)!;
      assert.equal(inventory!.firmware, firmware);
      assert.equal(inventory!.systemUuid, vm.systemUuid);
      assert.deepEqual(
        inventory!.disks.map(({ serial, transport }) => ({ serial, transport })),
        [{ serial: vm.diskSerial, transport: 'virtio' }],
      );
    }
  });

  await t.test('another program finds the machines of a kept lab by number and by name, and how their power is', () => {
    const all = machines.all.map((machine) => [machine.number, machine.name, machines.powerOf(machine)]);
    assert.deepEqual(
      all.filter(([, name]) => name !== 'golden'),
      [
        [1, 'vm-1', 'asleep'],
        [2, 'vm-2', 'asleep'],
        [3, 'pc-01', 'asleep'],
      ],
    );
    assert.equal(machines.find('2'), machines.find('vm-2'));
  });

  await t.test('a machine that is off is woken to be captured, and all its chunks are known', async () => {
    const { exitCode, stdout, stderr } = await lab.fleetcast(['capture', 'vm-1', '--as', 'demo']);
    assert.equal(exitCode, 0, `${stdout}${stderr}`);
    const image = (await lab.get('/api/v1/images/demo')) as ImageView;
    assert.equal(image.versions.length, 1, 'the same disk is the same version');
  });
});

/** The whole demo as a user starts it, and the lab that it leaves up. */
async function runKeptDemo(t: TestContext): Promise<{ lab: Lab; json: DemoJson }> {
  const args = ['lab/demo.ts', '--vm', '--hosts', '3', '--used-mib', '8', '--keep', '--json'];
  const demo = await execa('bin/node', args, {
    cwd: `${import.meta.dirname}/../..`,
    stdin: 'ignore',
    all: true,
    reject: false,
    timeout: DEMO_LIMIT_MS,
    cancelSignal: t.signal,
  });
  const folder = /^ {2}ls (\S+)\/disks$/m.exec(demo.stdout)?.[1];
  if (folder !== undefined) t.after(() => Lab.attach(folder).takeDown());
  assert.equal(demo.exitCode, 0, demo.all);
  assert.ok(folder !== undefined, demo.all);
  return { lab: Lab.attach(folder), json: JSON.parse(demo.stdout.trim().split('\n').at(-1)!) as DemoJson };
}
