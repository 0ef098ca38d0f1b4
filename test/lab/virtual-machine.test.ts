import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_VIRTUAL_MACHINES, planVirtualMachine, qemuArguments, vmFirmwares } from '#lab/virtual-machine.ts';

const plan = (index: number, firmware: (typeof vmFirmwares)[number]) =>
  planVirtualMachine({ run: 'abcd', name: `vm-${index}`, index, firmware, folder: '/nowhere' });

test('machines of one lab have addresses, ports and serial numbers of their own', () => {
  const machines = vmFirmwares.map((firmware, index) => plan(index, firmware));
  for (const key of ['mac', 'port', 'systemUuid', 'diskSerial'] as const) {
    assert.equal(new Set(machines.map((vm) => vm[key])).size, machines.length, key);
  }
  assert.throws(() => plan(MAX_VIRTUAL_MACHINES, 'bios'), RangeError);
});

test('a second card of a machine comes first on its bus and is nothing to boot from', () => {
  const vm = planVirtualMachine({
    ...{ run: 'abcd', name: 'vm', index: 0, firmware: 'bios', folder: '/nowhere', hasIdleCard: true },
  });
  const cards = qemuArguments(vm).filter((argument) => argument.startsWith('virtio-net-pci'));
  assert.deepEqual(
    cards.map((card) => [/mac=([^,]+)/.exec(card)?.[1], card.includes('bootindex')]),
    [
      [vm.idleCard!.mac, false],
      [vm.mac, true],
    ],
  );
});

test('no machine uses hardware virtualization or ends when it restarts', () => {
  for (const [index, firmware] of vmFirmwares.entries()) {
    const line = qemuArguments(plan(index, firmware)).join(' ');
    assert.match(line, /-accel tcg/);
    assert.doesNotMatch(line, /kvm|no-reboot/);
    assert.equal(line.includes('romfile='), firmware !== 'bios', 'only OVMF has a network boot of its own');
  }
});
