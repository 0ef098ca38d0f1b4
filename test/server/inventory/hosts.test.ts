import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hosts, MAX_PENDING_HOSTS } from '#server/inventory/hosts.ts';
import { LOST_AFTER_MS, makeInventory, SAMPLE_UUID, sampleInventory } from '../inventory-fixture.ts';

const MAC_1 = '52:54:00:77:00:01';
const MAC_2 = '52:54:00:77:00:02';
const MAC_3 = '52:54:00:77:00:03';

test('a host is found by name, id and MAC in any form', () => {
  const { hosts } = makeInventory();
  const host = hosts.add({ name: 'pc-01', macs: ['52-54-00-77-00-01'], groups: ['room-101'] });
  assert.deepEqual(host, {
    hostId: host.hostId,
    name: 'pc-01',
    approval: 'approved',
    macs: [MAC_1],
    groups: ['room-101'],
    presence: 'away',
  });
  for (const ref of ['pc-01', String(host.hostId), '5254.0077.0001']) assert.deepEqual(hosts.get(ref), host);
  assert.deepEqual(hosts.byId(host.hostId), host);
  assert.throws(() => hosts.get('pc-02'), { code: 'HOST_UNKNOWN', message: 'There is no host pc-02' });
});

test('a name that looks like an id is a name first', () => {
  const { hosts } = makeInventory();
  const first = hosts.add({ name: 'pc-01', macs: [MAC_1] });
  const second = hosts.add({ name: String(first.hostId), macs: [MAC_2] });
  assert.equal(hosts.get(String(first.hostId)).hostId, second.hostId);
});

test('names and MACs belong to one host', () => {
  const { hosts } = makeInventory();
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
  assert.throws(() => hosts.add({ name: 'pc-01', macs: [MAC_2] }), { code: 'HOST_EXISTS' });
  assert.throws(() => hosts.add({ name: 'pc-02', macs: [MAC_2, MAC_1] }), { code: 'MAC_TAKEN' });
  assert.throws(() => hosts.add({ name: 'pc-02', macs: ['nonsense'] }), { code: 'MAC_INVALID' });
  assert.throws(() => hosts.add({ name: 'pc 02', macs: [MAC_2] }), { code: 'NAME_INVALID' });
  assert.throws(() => hosts.add({ name: 'pc-02', macs: [MAC_2], groups: ['a b'] }), { code: 'NAME_INVALID' });
  assert.deepEqual(
    hosts.list().map((host) => host.name),
    ['pc-01'],
  );
});

test('hosts come in the order in which people count', () => {
  const { hosts } = makeInventory();
  hosts.importCsv(`pc-10,${MAC_1}\npc-2,${MAC_2}\npc-1,${MAC_3}`);
  assert.deepEqual(
    hosts.list().map((host) => host.name),
    ['pc-1', 'pc-2', 'pc-10'],
  );
});

test('an unknown machine becomes a pending host with a name from its MAC', () => {
  const { hosts, events } = makeInventory();
  const host = hosts.sawBoot('52-54-00-77-00-01', SAMPLE_UUID.toUpperCase())!;
  assert.equal(host.name, 'host-525400770001');
  assert.equal(host.approval, 'pending');
  assert.equal(host.systemUuid, SAMPLE_UUID);
  assert.deepEqual(hosts.sawBoot(MAC_1, SAMPLE_UUID), host);
  assert.deepEqual(
    events.list().map((event) => event.action),
    ['appeared'],
  );
});

test('a host that was added by MAC learns its UUID from its first boot', () => {
  const { hosts } = makeInventory();
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
  assert.equal(hosts.sawBoot(MAC_1, SAMPLE_UUID)?.systemUuid, SAMPLE_UUID);
});

test('a network full of invented MACs does not fill the database', () => {
  const { hosts } = makeInventory();
  const macOf = (n: number) =>
    `52:54:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
  for (let n = 0; n < MAX_PENDING_HOSTS; n++) hosts.sawBoot(macOf(n));
  assert.equal(hosts.sawBoot(macOf(MAX_PENDING_HOSTS)), undefined);
  assert.equal(hosts.count(), MAX_PENDING_HOSTS);
  assert.notEqual(hosts.sawBoot(macOf(0)), undefined);
});

test('approving is done once and may be repeated', () => {
  const { hosts, events } = makeInventory();
  hosts.sawBoot(MAC_1);
  assert.equal(hosts.approve('host-525400770001').approval, 'approved');
  assert.equal(hosts.approve('host-525400770001').approval, 'approved');
  assert.equal(events.list().filter((event) => event.action === 'approved').length, 1);
});

test('adding a host with the MAC of a pending one names and approves that one', () => {
  const { hosts } = makeInventory();
  const pending = hosts.sawBoot(MAC_1)!;
  const host = hosts.add({ name: 'pc-01', macs: [MAC_2, MAC_1] });
  assert.equal(host.hostId, pending.hostId);
  assert.equal(host.name, 'pc-01');
  assert.equal(host.approval, 'approved');
  assert.deepEqual(host.macs, [MAC_1, MAC_2]);
});

test('renaming keeps to free and valid names', () => {
  const { hosts } = makeInventory();
  hosts.importCsv(`pc-01,${MAC_1}\npc-02,${MAC_2}`);
  assert.equal(hosts.rename('pc-01', 'pc-07').name, 'pc-07');
  assert.equal(hosts.rename('pc-07', 'pc-07').name, 'pc-07');
  assert.throws(() => hosts.rename('pc-07', 'pc-02'), { code: 'HOST_EXISTS' });
  assert.throws(() => hosts.rename('pc-07', '-x'), { code: 'NAME_INVALID' });
  assert.throws(() => hosts.rename('pc-01', 'pc-08'), { code: 'HOST_UNKNOWN' });
});

test('a host that takes part in a session is not removed', () => {
  let busy: number | undefined = 7;
  const { hosts } = makeInventory(() => busy);
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
  assert.equal(hosts.get('pc-01').session, 7);
  assert.throws(() => hosts.remove('pc-01'), {
    code: 'HOST_BUSY',
    message: 'The host pc-01 takes part in session 7',
  });
  busy = undefined;
  hosts.remove('pc-01');
  assert.deepEqual(hosts.list(), []);
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
});

test('a list is imported once: the same list again changes nothing', () => {
  const { hosts, groups } = makeInventory();
  const csv = `name,mac,group\npc-01,${MAC_1},room-101\npc-02,${MAC_2},room-101\n`;
  assert.deepEqual(hosts.importCsv(csv), { added: 2, updated: 0, unchanged: 0, hosts: ['pc-01', 'pc-02'] });
  assert.deepEqual(hosts.importCsv(csv), { added: 0, updated: 0, unchanged: 2, hosts: ['pc-01', 'pc-02'] });
  assert.deepEqual(groups.list(), [{ name: 'room-101', hosts: ['pc-01', 'pc-02'] }]);
  assert.deepEqual(hosts.importCsv(`pc-01,${MAC_1},lab`), { added: 0, updated: 1, unchanged: 0, hosts: ['pc-01'] });
});

test('an import names and approves the machines that wait', () => {
  const { hosts } = makeInventory();
  const pending = hosts.sawBoot(MAC_1)!;
  assert.equal(hosts.importCsv(`pc-01,${MAC_1}`).updated, 1);
  assert.deepEqual([hosts.get('pc-01').hostId, hosts.get('pc-01').approval], [pending.hostId, 'approved']);
});

test('a list with one wrong line imports nothing', () => {
  const { hosts, events } = makeInventory();
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
  const before = events.list().length;
  assert.throws(() => hosts.importCsv(`pc-02,${MAC_2}\npc-03,${MAC_1}`), {
    code: 'CSV_INVALID',
    message: `Line 2 of the list: the MAC ${MAC_1} belongs to host pc-01`,
  });
  assert.throws(() => hosts.importCsv(`pc-02,${MAC_2},lab\npc-01,${MAC_3}`), {
    message: `Line 2 of the list: there is already a host pc-01, with the MAC ${MAC_1}`,
  });
  assert.equal(hosts.count(), 1);
  assert.equal(events.list().length, before);
});

test('hosts and groups resolve to each host once, in order', () => {
  const { hosts, groups } = makeInventory();
  hosts.importCsv(`pc-10,${MAC_1},room\npc-2,${MAC_2},room\npc-1,${MAC_3}`);
  const names = (refs: string[], of: string[]) => hosts.resolve(refs, of).map((host) => host.name);
  assert.deepEqual(names(['pc-1', 'pc-10'], ['room']), ['pc-1', 'pc-2', 'pc-10']);
  assert.deepEqual(names([], []), []);
  assert.throws(() => names(['pc-9'], []), { code: 'HOST_UNKNOWN' });
  assert.throws(() => names([], ['hall']), { code: 'GROUP_UNKNOWN' });
  groups.create('hall');
  assert.throws(() => names([], ['hall']), { code: 'GROUP_EMPTY' });
});

test('a host is present while its agent spoke lately, and a restarted daemon still knows when', () => {
  const { hosts, time, database, events, clock } = makeInventory();
  const { hostId } = hosts.add({ name: 'pc-01', macs: [MAC_1] });
  assert.equal(hosts.presence.silentMs(hostId), undefined);
  hosts.presence.noteSeen(hostId);
  assert.equal(hosts.get('pc-01').presence, 'agent');
  time.ms += LOST_AFTER_MS;
  assert.equal(hosts.get('pc-01').presence, 'agent');
  time.ms += 1;
  assert.equal(hosts.get('pc-01').presence, 'away');
  assert.equal(hosts.presence.silentMs(hostId), LOST_AFTER_MS + 1);
  const restarted = new Hosts({
    database,
    events,
    clock,
    lostAfterMs: LOST_AFTER_MS,
  });
  assert.equal(restarted.presence.silentMs(hostId), LOST_AFTER_MS + 1);
});

test('a hello keeps the inventory', () => {
  const { hosts } = makeInventory();
  const { hostId } = hosts.add({ name: 'pc-01', macs: [MAC_1] });
  const host = hosts.hello(hostId, sampleInventory(MAC_1));
  assert.deepEqual(host.inventory, sampleInventory(MAC_1));
  assert.equal(host.systemUuid, SAMPLE_UUID);
  assert.equal(host.presence, 'agent');
});

test('a host keeps its SecureOn password, which no view shows, until it is removed', () => {
  const { hosts, events } = makeInventory();
  const { hostId } = hosts.add({ name: 'pc-01', macs: [MAC_1] });
  assert.equal(hosts.set('pc-01', { secureOn: 'FF-11-22-33-44-55' }).hasSecureOn, true);
  assert.equal(hosts.settings.secureOnOf(hostId), 'ff:11:22:33:44:55');
  assert.doesNotMatch(JSON.stringify([hosts.list(), events.list()]), /11:22/);
  assert.throws(() => hosts.set('pc-01', { secureOn: 'secret' }), { code: 'SECURE_ON_INVALID' });
  assert.equal(hosts.set('pc-01', {}).hasSecureOn, true);
  assert.equal(hosts.set('pc-01', { secureOn: null }).hasSecureOn, undefined);
  assert.equal(hosts.settings.secureOnOf(hostId), undefined);
});

test('an address is kept for one host, for the network card that it boots from', () => {
  const { hosts, events, database, clock } = makeInventory();
  const { hostId } = hosts.add({ name: 'pc-01', macs: [MAC_2, MAC_1] });
  hosts.add({ name: 'pc-02', macs: [MAC_3] });
  assert.equal(hosts.set('pc-01', { address: '10.0.0.7' }).address, '10.0.0.7');
  hosts.set('pc-01', { address: '10.0.0.7' });
  assert.equal(events.list().filter((event) => event.action === 'address').length, 1);
  assert.throws(() => hosts.set('pc-02', { address: '10.0.0.7' }), {
    code: 'ADDRESS_TAKEN',
    message: 'The address 10.0.0.7 is kept for pc-01',
  });
  for (const address of ['10.0.0.256', '10.0.0.07', 'x']) {
    assert.throws(() => hosts.set('pc-02', { address }), { code: 'ADDRESS_INVALID' });
  }
  assert.deepEqual([hosts.settings.addressKeptFor(MAC_1), hosts.settings.macKeeping('10.0.0.7')], ['10.0.0.7', MAC_1]);
  hosts.hello(hostId, sampleInventory(MAC_2));
  assert.deepEqual(
    [hosts.settings.addressKeptFor(MAC_1), hosts.settings.addressKeptFor(MAC_2)],
    [undefined, '10.0.0.7'],
  );
  assert.equal(hosts.settings.macKeeping('10.0.0.8'), undefined);
  hosts.set('pc-01', { address: null });
  assert.equal(hosts.settings.addressKeptFor(MAC_2), undefined);
  const strict = new Hosts({ database, events, clock, lostAfterMs: LOST_AFTER_MS, addressProblem: () => 'no' });
  assert.throws(() => strict.set('pc-01', { address: '10.0.0.7' }), {
    message: '10.0.0.7 cannot be kept for pc-01: no',
  });
});

test('it is known when a machine last asked what to boot', () => {
  const { hosts, time } = makeInventory();
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
  assert.equal(hosts.get('pc-01').lastBootMs, undefined);
  assert.equal(hosts.sawBoot(MAC_1)?.lastBootMs, time.ms);
  time.ms += 5000;
  assert.equal(hosts.sawBoot(MAC_1)?.lastBootMs, time.ms);
  assert.equal(hosts.sawBoot(MAC_2)?.lastBootMs, time.ms);
});
