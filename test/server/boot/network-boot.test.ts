/** DHCP and TFTP as parts of the whole daemon, in a namespace. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '#system/run.ts';
import { makeServer, startDaemon, stopDaemon, udhcpc } from './daemon-on-segment.ts';
import { Segment } from './dhcp/segment.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';
const subnet = [
  '[[boot.subnet]]',
  'network = "10.77.0.0/24"',
  'pool_first = "10.77.0.100"',
  'pool_last = "10.77.0.110"',
];
const full = ['dhcp = "full"', 'dhcp_clients = "all"', ...subnet];

test('the daemon gives addresses that outlive it, lists them, and serves GRUB its first script', {
  skip,
}, async (t) => {
  const lan = await Segment.make(t);
  const { machine, argv, cli, cliArgv, folder } = await makeServer(t, lan, full);
  const [pc1, pc2] = [await lan.addMachine('pc1'), await lan.addMachine('pc2', '10.77.0.200/24')];
  const daemon = await startDaemon(t, argv);
  assert.equal(await udhcpc(pc1), '10.77.0.100');
  const pc3 = await lan.addMachine('pc3');
  await cli('host', 'add', 'pc-03', pc3.mac);
  await cli('host', 'set', 'pc-03', '--address', '10.77.0.7');
  assert.equal(await udhcpc(pc3), '10.77.0.7', 'kept for it, outside the pool, and since the daemon started');
  await cli('host', 'set', 'pc-03', '--address', 'none');
  const { stderr } = await run([...cliArgv, 'host', 'set', 'pc-03', '--address', '10.78.0.7'], { okCodes: [2] });
  assert.match(
    stderr,
    /10\.78\.0\.7 cannot be kept for pc-03: it is in none of the networks of \[\[boot\.subnet\]\]: 10\.77\.0\.0\/24/,
  );
  const leases = JSON.parse(await cli('dhcp', 'leases', '--json')) as { address: string; mac: string; state: string }[];
  assert.deepEqual(
    leases.map(({ address, mac, state }) => [address, mac, state]),
    [
      ['10.77.0.7', pc3.mac, 'bound'],
      ['10.77.0.100', pc1.mac, 'bound'],
    ],
  );
  assert.match(await cli('dhcp', 'leases'), /^Address\s+MAC\s+Name\s+State\s+Until\s+Kept for\n10\.77\.0\.7\s+52:54/);
  await run(pc2.on('tftp', '-m', 'octet', '10.77.0.1', '-c', 'get', '/grub/grub.cfg', join(folder, 'got')), {
    cwd: folder,
  });
  assert.match(readFileSync(join(folder, 'got'), 'latin1'), /configfile \(http,10\.77\.0\.1:8470\)/);
  assert.ok((await cli('dhcp', 'external', '--kind', 'kea')).includes('"next-server": "10.77.0.1"'));
  await stopDaemon(daemon);
  assert.equal(daemon.exitCode, 0);
  await startDaemon(t, argv);
  assert.equal((JSON.parse(await cli('dhcp', 'leases', '--json')) as unknown[]).length, 2);
  assert.equal(machine.namespace.endsWith('-srv'), true);
});

test('full mode on an interface without a subnet is refused with what to do', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const other = subnet.map((line) => line.replaceAll('10.77.', '10.78.'));
  const { argv } = await makeServer(t, lan, ['dhcp = "full"', ...other]);
  const { stderr } = await run([...argv, '--json'], { okCodes: [2] });
  assert.equal(JSON.parse(stderr).error.code, 'BOOT_SUBNET_MISSING');
});

test('as a proxy the daemon says that nobody gives addresses', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const { argv, cli } = await makeServer(t, lan, ['dhcp = "proxy"']);
  await startDaemon(t, argv);
  let events = '';
  while (!events.includes('No DHCP server gives addresses on eth0')) events = await cli('events');
});
