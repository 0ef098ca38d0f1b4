import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineLines, namespacesOf, planTopology, switchLines, uuidFrom } from '#lab/topology.ts';

const names = Array.from({ length: 42 }, (_, i) => `pc-${i + 1}`);

test('every host of a lab has its own namespace, port, MAC, address, UUID and disk serial', () => {
  const { hosts } = planTopology('ab12', names, 50);
  for (const key of ['namespace', 'port', 'mac', 'address', 'systemUuid', 'diskSerial'] as const) {
    assert.equal(new Set(hosts.map((host) => host[key])).size, 42, key);
  }
});

test('two labs of one machine share no namespace and no UUID', () => {
  const [one, two] = [planTopology('ab12', names, 50), planTopology('ab13', names, 50)];
  assert.equal(new Set([...namespacesOf(one), ...namespacesOf(two)]).size, 88);
  assert.notEqual(one.hosts[0]!.systemUuid, two.hosts[0]!.systemUuid);
});

test('no link has a name longer than the kernel takes (15)', () => {
  const topology = planTopology('ab12', names, 50);
  const links = switchLines(topology).map((line) => /^link add (\S+)/.exec(line)?.[1] ?? '');
  assert.ok(links.some((link) => link === 'fc-p42'));
  for (const link of links) assert.ok(link.length <= 15, link);
});

test('every machine gets a broadcast address and a route for multicast', () => {
  const lines = machineLines(planTopology('ab12', names, 50), '10.77.0.10').join('\n');
  assert.match(lines, /address add 10\.77\.0\.10\/24 brd \+ dev eth0/);
  assert.match(lines, /route add 224\.0\.0\.0\/4 dev eth0/);
});

test('a lab with more hosts than addresses is refused', () => {
  assert.throws(
    () =>
      planTopology(
        'ab12',
        Array.from({ length: 241 }, (_, i) => `h${i}`),
        50,
      ),
    RangeError,
  );
});

test('a UUID made from any hex digits is a valid one of version 4', () => {
  assert.match(uuidFrom('f'.repeat(32)), /^f{8}-f{4}-4f{3}-bf{3}-f{12}$/);
});

test('the switch asks for memberships with IGMP 3, so that no host keeps its own to itself', () => {
  assert.match(
    switchLines(planTopology('ab12', names, 50))[0]!,
    /mcast_snooping 1 mcast_querier 1 mcast_igmp_version 3/,
  );
});
