import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Activation } from '#protocol/activation.ts';
import { renderContainers } from '../../cli/container-view.ts';

const root = { name: 'vg0/root', filesystem: 'ext4', check: 'clean' as const };

test('each container has a line, with all hosts on which the same became of it', () => {
  const group: Activation = { kind: 'lvm', name: 'vg0', partition: 2, volumes: [root] };
  const why = 'this kernel has no device-mapper';
  const text = renderContainers([
    {
      host: 'pc-1',
      containers: [group, { kind: 'luks', partition: 3, volumes: [{ filesystem: 'xfs', check: 'clean' }] }],
    },
    { host: 'pc-2', containers: [group] },
    { host: 'pc-3', containers: [{ kind: 'lvm', name: 'vg0', partition: 2, whyNot: why, volumes: [] }] },
    { host: 'pc-4' },
  ]);
  assert.equal(
    text,
    `pc-1, pc-2: LVM vg0 activated and checked: vg0/root (ext4)
pc-1: LUKS in partition 3 activated and checked: xfs
pc-3: LVM vg0 NOT activated: ${why}`,
  );
});

test('what was not checked is said beside what was; without containers nothing is said', () => {
  const raw = { name: 'vg0/old', filesystem: 'xfs', why: 'it was taken raw' };
  const containers: Activation[] = [
    { kind: 'lvm', name: 'vg0', volumes: [root, raw] },
    { kind: 'md', volumes: [] },
  ];
  assert.equal(
    renderContainers([{ host: 'pc-1', containers }]),
    'pc-1: LVM vg0 activated and checked: vg0/root (ext4); NOT checked: vg0/old (xfs): it was taken raw\npc-1: mirror activated',
  );
  assert.equal(renderContainers([{ host: 'pc-1' }]), undefined);
});
