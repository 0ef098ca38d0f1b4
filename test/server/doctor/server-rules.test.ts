import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownError } from '#protocol/errors.ts';
import { judgeServer, type ServerFacts } from '#server/doctor/server-rules.ts';

const good: ServerFacts = {
  daemon: 'this',
  socket: '/run/fleetcast/admin.sock',
  network: { interface: 'eth0', address: '10.77.0.1', broadcast: '10.77.0.255' },
  link: {
    isUp: true,
    hasCarrier: true,
    mtu: 1500,
    mbit: 1000,
    duplex: 'full',
    broadcast: '10.77.0.255',
    prefixLength: 24,
  },
  dhcpMode: 'proxy',
  dhcpServers: [{ address: '10.77.0.2', givesAddresses: true, givesBootFiles: false }],
  querier: { address: '10.77.0.254' },
  receiveBufferBytes: 8 * 1024 * 1024,
  udpSender: '20200328',
  isClockSynchronised: true,
  bootFilesMissing: { BIOS: [] },
  database: 'good',
  space: { path: '/var/lib/fleetcast', freeBytes: 100e9 },
};

function faultsOf(changed: Partial<ServerFacts>) {
  return judgeServer({ ...good, ...changed }).filter(({ level }) => level !== 'ok');
}

test('a server that is as it should be has good findings alone', () => {
  const findings = judgeServer(good);
  assert.deepEqual(
    findings.filter(({ level }) => level !== 'ok'),
    [],
  );
  assert.equal(findings.find(({ check }) => check === 'igmp')!.text, 'an IGMP querier answers: 10.77.0.254');
});

test('everything that needs attention at the server says what to do', () => {
  const link = good.link as Extract<ServerFacts['link'], { isUp: boolean }>;
  const { broadcast: _, ...withoutBroadcast } = link;
  const seen = (address: string, givesBootFiles = false) => ({ address, givesAddresses: true, givesBootFiles });
  const faults: readonly (readonly [Partial<ServerFacts>, check: string, text: RegExp, next: RegExp])[] = [
    [{ link: { ...link, isUp: false } }, 'link', /eth0 is down/, /ip link set dev eth0 up/],
    [{ link: { ...link, hasCarrier: false } }, 'link', /no carrier/, /cable/],
    [{ link: { ...link, mbit: 100 } }, 'link', /100 Mbit\/s/, /cable/],
    [{ link: { ...link, duplex: 'half' } }, 'link', /half duplex/, /switch port/],
    [{ link: withoutBroadcast }, 'address', /no broadcast/, /ip address change 10\.77\.0\.1\/24 brd \+ dev eth0/],
    [{ dhcpServers: [] }, 'dhcp', /^No DHCP server gives addresses on eth0$/, /dhcp = "full"/],
    [
      { dhcpServers: [seen('10.77.0.2'), seen('10.77.0.3')] },
      'dhcp',
      /^Several.*10\.77\.0\.2, 10\.77\.0\.3$/,
      /Switch off/,
    ],
    [{ dhcpMode: 'full' }, 'dhcp', /^Another DHCP server gives addresses on eth0: 10\.77\.0\.2$/, /dhcp = "proxy"/],
    [{ dhcpServers: [seen('10.77.0.2', true)] }, 'dhcp', /what to boot/, /options 66 and 67/],
    [
      { takenPorts: [knownError('PORT_TAKEN', { port: 8470, address: '10.77.0.1' }).toBody()] },
      'ports',
      /8470/,
      /ss -lptn/,
    ],
    [{ receiveBufferBytes: 212_992 }, 'buffers', /212992/, /sysctl -w net\.core\.rmem_max=4194304/],
    [
      { udpSender: knownError('PROGRAM_MISSING', { program: 'udp-sender', package: 'udpcast' }).toBody() },
      'programs',
      /udp-sender is not installed/,
      /apt-get install udpcast/,
    ],
    [{ bootFilesMissing: { BIOS: ['vmlinuz'], UEFI: ['vmlinuz'] } }, 'boot', /no boot assets/, /fleetcast boot build/],
    [{ database: { problem: 'page 7' } }, 'database', /page 7/, /before-N/],
    [{ space: { path: '/d', freeBytes: 5e8 } }, 'space', /0\.5 GB free in \/d/, /prune/],
    [
      { space: { path: '/d', freeBytes: 20e9, largest: { image: 'win11', bytes: 30e9 } } },
      'space',
      /win11, has 30\.0 GB/,
      /prune/,
    ],
    [{ isClockSynchronised: false }, 'clock', /no time server/, /timedatectl/],
  ];
  for (const [changed, check, text, next] of faults) {
    const found = faultsOf(changed);
    assert.deepEqual(
      found.map((fault) => `${fault.check} ${fault.level}`),
      [`${check} attention`],
      JSON.stringify(found),
    );
    assert.match(found[0]!.text, text);
    assert.match(found[0]!.next!, next);
  }
});

test('without an interface nothing of the network is judged but that', () => {
  const { link: _link, dhcpServers: _servers, querier: _querier, ...rest } = good;
  const network = knownError('INTERFACE_MISSING', { interface: 'eth7', known: 'lo' }).toBody();
  const findings = judgeServer({ ...rest, network });
  assert.deepEqual(
    findings.filter(({ level }) => level !== 'ok').map(({ check, level }) => `${check} ${level}`),
    ['interface attention'],
  );
});

test('a silent querier is a note, because without IGMP snooping nobody needs one', () => {
  assert.deepEqual(
    faultsOf({ querier: 'silent' }).map(({ level }) => level),
    ['note'],
  );
});

test('what could not be looked at is said to be unchecked, and is no fault', () => {
  const unknown = { unknown: 'not allowed' };
  const found = faultsOf({ querier: 'unknown', dhcpServers: unknown, link: unknown, space: unknown });
  assert.deepEqual(
    found.map(({ check, level }) => `${check} ${level}`),
    ['link unchecked', 'dhcp unchecked', 'igmp unchecked', 'space unchecked'],
  );
});

test('another boot server is meant where the config says external, and no DHCP server where it says off', () => {
  const booter = [{ address: '10.77.0.2', givesAddresses: true, givesBootFiles: true }];
  assert.deepEqual(faultsOf({ dhcpMode: 'external', dhcpServers: booter }), []);
  assert.deepEqual(
    faultsOf({ dhcpMode: 'off', dhcpServers: [] }).map(({ level }) => level),
    ['note'],
  );
});
