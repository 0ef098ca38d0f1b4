import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeInventory } from '../inventory-fixture.ts';

function withHosts() {
  const inventory = makeInventory();
  inventory.hosts.importCsv('pc-10,525400770010\npc-2,525400770002\npc-1,525400770001');
  return inventory;
}

test('hosts join and leave a group, and doing it again changes nothing', () => {
  const { groups, hosts, events } = withHosts();
  groups.create('room-101');
  assert.deepEqual(groups.addHosts('room-101', ['pc-10', 'pc-2']), { name: 'room-101', hosts: ['pc-2', 'pc-10'] });
  const noted = events.list().length;
  groups.addHosts('room-101', ['pc-10', 'pc-2']);
  assert.equal(events.list().length, noted);
  assert.deepEqual(hosts.get('pc-2').groups, ['room-101']);
  assert.deepEqual(groups.removeHosts('room-101', ['pc-2', 'pc-1']), { name: 'room-101', hosts: ['pc-10'] });
});

test('all hosts of a call join a group or none does', () => {
  const { groups } = withHosts();
  groups.create('room-101');
  assert.throws(() => groups.addHosts('room-101', ['pc-1', 'pc-99']), { code: 'HOST_UNKNOWN' });
  assert.deepEqual(groups.list(), [{ name: 'room-101', hosts: [] }]);
});

test('a group is renamed and removed without its hosts', () => {
  const { groups, hosts } = withHosts();
  groups.create('a');
  groups.create('b');
  groups.addHosts('a', ['pc-1']);
  assert.deepEqual(groups.rename('a', 'c'), { name: 'c', hosts: ['pc-1'] });
  assert.throws(() => groups.rename('c', 'b'), { code: 'GROUP_EXISTS' });
  groups.remove('c');
  assert.deepEqual(hosts.get('pc-1').groups, []);
});

test('unknown, doubled and badly named groups are refused', () => {
  const { groups } = withHosts();
  groups.create('a');
  assert.throws(() => groups.create('a'), { code: 'GROUP_EXISTS' });
  assert.throws(() => groups.create('a b'), { code: 'NAME_INVALID', message: 'a b is not a valid group name' });
  for (const call of [
    () => groups.rename('x', 'y'),
    () => groups.addHosts('x', ['pc-1']),
    () => groups.removeHosts('x', ['pc-1']),
    () => groups.remove('x'),
  ]) {
    assert.throws(call, { code: 'GROUP_UNKNOWN' });
  }
});

test('a disk rule of a group holds for its hosts until a host has its own', () => {
  const { groups, hosts, events } = withHosts();
  groups.create('room-101');
  groups.addHosts('room-101', ['pc-1', 'pc-2']);
  assert.equal(groups.set('room-101', { disk: 'transport=nvme' }).disk, 'transport=nvme');
  const noted = events.list().length;
  groups.set('room-101', { disk: 'transport=nvme' });
  assert.equal(events.list().length, noted, 'again changes nothing');
  const fromGroup = [{ rule: 'transport=nvme', from: 'the group room-101' }];
  assert.deepEqual([hosts.get('pc-1').diskRules, hosts.get('pc-10').diskRules], [fromGroup, undefined]);
  hosts.set('pc-1', { disk: 'order=2' });
  assert.deepEqual(
    hosts.list().map(({ name, diskRules }) => [name, diskRules]),
    [
      ['pc-1', [{ rule: 'order=2', from: 'the host' }]],
      ['pc-2', fromGroup],
      ['pc-10', undefined],
    ],
  );
  hosts.set('pc-1', { disk: null });
  assert.deepEqual(hosts.get('pc-1').diskRules, fromGroup);
  assert.equal(groups.set('room-101', { disk: null }).disk, undefined);
  for (const set of [() => groups.set('room-101', { disk: 'sda' }), () => hosts.set('pc-1', { disk: 'sda' })]) {
    assert.throws(set, { code: 'DISK_RULE_INVALID' });
  }
});
