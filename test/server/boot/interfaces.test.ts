/** The daemon on a network that is not empty: what it answers by default, on which interface, and what it says of others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { option } from '#server/boot/dhcp/option.ts';
import { FLAG_BROADCAST } from '#server/boot/dhcp/packet.ts';
import { run } from '#system/run.ts';
import { makeServer, startDaemon, udhcpc } from './daemon-on-segment.ts';
import { ask, background, dnsmasq } from './dhcp/foreign-programs.ts';
import { firmware } from './dhcp/requests.ts';
import { Segment } from './dhcp/segment.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';
/** With the broadcast flag: dnsmasq would send its offer to an address that the asking test has not. */
const ipxe = () => ({ ...firmware.ipxeBios(), flags: FLAG_BROADCAST });
const giverRange = ['--dhcp-range=10.77.0.30,10.77.0.40', '--no-ping'];

test('by default it tells approved hosts alone what to boot, lists the others, and gives no address', {
  skip,
}, async (t) => {
  const lan = await Segment.make(t);
  const { argv, cli } = await makeServer(t, lan, []);
  const giver = await lan.addMachine('dns', '10.77.0.9/24');
  await background(t, giver.on(...dnsmasq(...giverRange)), 'DHCP, sockets bound');
  await startDaemon(t, argv);
  const pc = await lan.addMachine('pc', '10.77.0.77/24');
  const answerers = async (count: number) => (await ask(pc, ipxe(), count)).map(({ from }) => from).sort();

  assert.deepEqual(await answerers(1), ['10.77.0.9'], 'a stranger hears the DHCP server of the network only');
  const [stranger] = JSON.parse(await cli('host', 'list', '--json')) as { name: string; approval: string }[];
  assert.equal(stranger!.approval, 'pending');
  await cli('host', 'approve', stranger!.name);
  assert.deepEqual(await answerers(2), ['10.77.0.1', '10.77.0.9']);
  const [ours] = (await ask(pc, ipxe(), 2)).filter(({ from }) => from === '10.77.0.1');
  assert.equal(ours!.yiaddr, 0);
  assert.match(ours!.file, /^http:\/\/10\.77\.0\.1:8470\/boot\/v1\/ipxe\?mac=/);
  assert.match((await udhcpc(pc)) ?? '', /^10\.77\.0\.3\d$/, 'an operating system is served as if we were not there');
});

test('beside a DHCP server on the same machine it does not start, and names it', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const { machine, argv } = await makeServer(t, lan, []);
  await background(t, machine.on(...dnsmasq(...giverRange)), 'DHCP, sockets bound');
  const { stderr, exitCode } = await run([...argv, '--json'], { okCodes: [11] });
  assert.equal(exitCode, 11);
  const { code, message, next } = JSON.parse(stderr).error as Record<string, string>;
  assert.equal(code, 'BOOT_PORT_TAKEN');
  assert.match(message!, /^UDP port 67 on 10\.77\.0\.1, .* is taken by dnsmasq \(process \d+\)$/);
  assert.match(next!, /dhcp = "external"/);
});

test('as a proxy on one interface and in full mode on another it answers each network in its own way', {
  skip,
}, async (t) => {
  const [office, lab] = [await Segment.make(t), await Segment.make(t)];
  const { machine, argv, cli } = await makeServer(
    t,
    office,
    [
      'dhcp_clients = "all"',
      ...['[[boot.interface]]', 'name = "eth1"', 'dhcp = "full"'],
      ...['[[boot.subnet]]', 'network = "10.99.0.0/24"', 'pool_first = "10.99.0.50"', 'pool_last = "10.99.0.60"'],
    ],
    ['[network]', 'interface = "eth0"'],
  );
  await lab.attach(machine.namespace, 'eth1', '10.99.0.1/24');
  await startDaemon(t, argv);
  const [pcOffice, pcLab] = [await office.addMachine('pco'), await lab.addMachine('pcl')];
  assert.equal(await udhcpc(pcOffice), undefined, 'nobody gives addresses in the office');
  assert.equal(await udhcpc(pcLab), '10.99.0.50');

  const inOffice = await office.addMachine('pco2', '10.77.0.77/24');
  const inLab = await lab.addMachine('pcl2', '10.99.0.77/24');
  const [fromProxy, ...moreInOffice] = await ask(inOffice, ipxe(), 1);
  const [fromFull, ...moreInLab] = await ask(inLab, ipxe(), 1);
  assert.deepEqual([moreInOffice, moreInLab], [[], []], 'one answer each');
  assert.deepEqual([fromProxy!.from, fromProxy!.yiaddr], ['10.77.0.1', 0]);
  assert.deepEqual([fromFull!.from, fromFull!.yiaddr > 0], ['10.99.0.1', true]);
  assert.equal(fromProxy!.options.has(option.vendorClass), true);
  assert.match(fromFull!.file, /^http:\/\/10\.99\.0\.1:8470\//, 'the address of the own interface');

  // The script that it is told, and what that leads to, stay on its own interface.
  const url = `http://10.99.0.1:8470/boot/v1/ipxe?firmware=bios&mac=${inLab.mac}`;
  await cli('host', 'add', 'pc-lab', inLab.mac);
  const { stdout } = await run(inLab.on('curl', '-sS', url));
  assert.match(stdout, /fleetcast\.server=http:\/\/10\.99\.0\.1:8470 /);
});

test('a rogue DHCP server on the second interface is named with that interface', { skip }, async (t) => {
  const [office, lab] = [await Segment.make(t), await Segment.make(t)];
  const { machine, argv, cli } = await makeServer(
    t,
    office,
    ['[[boot.interface]]', 'name = "eth1"', 'dhcp = "full"'].concat([
      ...['[[boot.subnet]]', 'network = "10.99.0.0/24"', 'pool_first = "10.99.0.50"', 'pool_last = "10.99.0.60"'],
    ]),
    ['[network]', 'interface = "eth0"'],
  );
  await lab.attach(machine.namespace, 'eth1', '10.99.0.1/24');
  const rogue = await lab.addMachine('rogue', '10.99.0.9/24');
  await background(t, rogue.on(...dnsmasq('--dhcp-range=10.99.0.30,10.99.0.40', '--no-ping')), 'DHCP, sockets bound');
  await startDaemon(t, argv);
  let events = '';
  while (!events.includes('Another DHCP server')) events = await cli('events');
  assert.match(events, /Another DHCP server gives addresses on eth1: 10\.99\.0\.9\./);
  while (!events.includes('No DHCP server')) events = await cli('events');
  assert.match(events, /No DHCP server gives addresses on eth0/);
});
