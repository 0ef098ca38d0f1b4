/** The DHCP server and programs that others wrote, on a LAN of namespaces. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { option } from '#server/boot/dhcp/option.ts';
import { encodePacket } from '#server/boot/dhcp/packet.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { ask, background, dnsmasq } from './foreign-programs.ts';
import { firmware } from './requests.ts';
import { ip, type Machine, Program, Segment } from './segment.ts';
import type { ServeOptions } from './serve-dhcp.ts';

const SERVE = join(import.meta.dirname, 'serve-dhcp.ts');
const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';
const pool = { mode: 'full', first: '10.77.0.100', last: '10.77.0.120' } as const;
const boot = { fileName: 'snponly.efi', serverAddress: '10.77.0.1', url: 'http://10.77.0.1/boot' };

async function serve(t: TestContext, machine: Machine, options: ServeOptions): Promise<Program> {
  const server = new Program(t, machine, SERVE, options);
  await server.line((line) => line.ready === true);
  return server;
}

/** Answers the lease's address; undefined: none came. */
async function udhcpc(machine: Machine, ...more: string[]): Promise<string | undefined> {
  const once = ['-n', '-q', '-f', '-t', '3', '-T', '1', '-s', '/bin/true'];
  const argv = machine.on('busybox', 'udhcpc', '-i', 'eth0', ...once, ...more);
  const { stderr } = await run(argv, { okCodes: [0, 1] });
  return /lease of ([\d.]+) obtained/.exec(stderr)?.[1];
}

test('udhcpc has the same address before and after a restart of the server', { skip }, async (t) => {
  const folder = tempFolder(t);
  const lan = await Segment.make(t);
  const [host, pc1, pc2] = [
    await lan.addMachine('srv', '10.77.0.1/24'),
    await lan.addMachine('pc1'),
    await lan.addMachine('pc2'),
  ];
  const options = { ...pool, database: join(folder, 'leases.db') };
  const first = await serve(t, host, options);
  assert.deepEqual([await udhcpc(pc1), await udhcpc(pc2)], ['10.77.0.100', '10.77.0.101']);
  await first.stop();
  await serve(t, host, options);
  assert.equal(await udhcpc(pc2), '10.77.0.101');
});

test('dhclient takes a lease with its options', { skip }, async (t) => {
  const folder = tempFolder(t);
  const lan = await Segment.make(t);
  await serve(t, await lan.addMachine('srv', '10.77.0.1/24'), pool);
  const pc = await lan.addMachine('pc1');
  const leases = join(folder, 'leases');
  const argv = ['dhclient', '-1', '-v', '-d', '--no-pid', '-sf', '/bin/true', '-lf', leases, 'eth0'];
  await background(t, pc.on(...argv), 'bound to 10.77.0.100');
  const text = readFileSync(leases, 'utf8');
  for (const line of ['option routers 10.77.0.1;', 'option domain-name "lab.test";', 'option dhcp-lease-time 3600;']) {
    assert.ok(text.includes(line), line);
  }
});

test('an address that a machine uses without a lease is set aside', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const server = await serve(t, await lan.addMachine('srv', '10.77.0.1/24'), { ...pool, probe: true });
  await lan.addMachine('squatter', '10.77.0.100/24');
  assert.equal(await udhcpc(await lan.addMachine('pc1')), '10.77.0.101');
  const { counts, leases } = (await server.stop()) as { counts: Record<string, number>; leases: { state: string }[] };
  assert.equal(counts['address-in-use'], 1);
  assert.deepEqual(
    leases.map((lease) => lease.state),
    ['declined', 'bound'],
  );
});

test('an address whose former machine is gone is given again, though the kernel still knows that machine', {
  skip,
}, async (t) => {
  const lan = await Segment.make(t);
  const host = await lan.addMachine('srv', '10.77.0.1/24');
  const one = { ...pool, last: pool.first, probe: true };
  const first = await serve(t, host, one);
  const [old, young] = [await lan.addMachine('pc1'), await lan.addMachine('pc2')];
  assert.equal(await udhcpc(old), '10.77.0.100');
  await ip('-n', old.namespace, 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
  await run(host.on('ping', '-c', '1', '10.77.0.100'));
  await ip('-n', old.namespace, 'link', 'set', 'eth0', 'down');
  // Another server, which has not asked for the address a moment ago, and has no lease on it.
  await first.stop();
  const server = await serve(t, host, one);
  assert.equal(await udhcpc(young, '-t', '10', '-T', '2'), '10.77.0.100');
  const { counts } = (await server.stop()) as { counts: Record<string, number> };
  assert.equal(counts['address-in-use'], undefined);
});

test('machines that are not registered get nothing, reserved ones their own address', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const host = await lan.addMachine('srv', '10.77.0.1/24');
  const [pc1, pc2] = [await lan.addMachine('pc1'), await lan.addMachine('pc2')];
  await serve(t, host, { ...pool, allowed: [pc2.mac], reserved: { [pc2.mac]: '10.77.0.50' } });
  assert.equal(await udhcpc(pc1, '-t', '1'), undefined);
  assert.equal(await udhcpc(pc2), '10.77.0.50');
});

test('perfdhcp, as a relay with a hundred clients, loses no answer', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const server = await serve(t, await lan.addMachine('srv', '10.77.0.1/24'), { ...pool, last: '10.77.0.240' });
  const relay = await lan.addMachine('relay', '10.77.0.250/24');
  const { stdout } = await run(
    relay.on('perfdhcp', '-4', '-l', 'eth0', '-r', '200', '-R', '100', '-n', '200', '-W', '500000', '10.77.0.1'),
    { okCodes: [0, 3] },
  );
  assert.deepEqual(
    [...stdout.matchAll(/drops: (\d+)/g)].map((match) => match[1]),
    ['0', '0'],
    stdout,
  );
  const { counts } = (await server.stop()) as { counts: Record<string, number> };
  assert.equal(counts.answered, 400);
});

test('a client behind dhcrelay gets an address of its own network', { skip }, async (t) => {
  const [near, far] = [await Segment.make(t), await Segment.make(t)];
  const host = await near.addMachine('srv', '10.77.0.1/24');
  // The relay has its address of the served network on the side of the client, and a plain cable to the server.
  const relay = await far.addMachine('relay', '10.77.0.129/25');
  await near.attach(relay.namespace, 'eth1', '10.77.0.2/25');
  await run(relay.on('sysctl', '-qw', 'net.ipv4.ip_forward=1'));
  await ip('-n', host.namespace, 'route', 'add', '10.77.0.128/25', 'via', '10.77.0.2');
  const server = await serve(t, host, { ...pool, last: '10.77.0.240', first: '10.77.0.130' });
  await background(t, relay.on('dhcrelay', '-4', '-d', '-a', '-id', 'eth0', '-iu', 'eth1', '10.77.0.1'), 'Sending on');
  assert.equal(await udhcpc(await far.addMachine('pc1')), '10.77.0.130');
  const { counts } = (await server.stop()) as { counts: Record<string, number> };
  assert.equal(counts.answered, 2);
});

test('beside a dnsmasq that gives addresses the proxy adds the boot file, and disturbs nobody', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const server = await serve(t, await lan.addMachine('srv', '10.77.0.1/24'), { mode: 'proxy', boot, watch: true });
  const giver = await lan.addMachine('dns', '10.77.0.9/24');
  await background(t, giver.on(...dnsmasq('--dhcp-range=10.77.0.30,10.77.0.40', '--no-ping')), 'DHCP, sockets bound');
  assert.match((await udhcpc(await lan.addMachine('pc1'))) ?? '', /^10\.77\.0\.[34]\d$/);
  const pc = await lan.addMachine('pc2', '10.77.0.77/24');
  const offers = await ask(pc, firmware.ovmfPxe(), 2);
  const byServer = new Map(offers.map((offer) => [offer.from, offer]));
  assert.deepEqual([...byServer.keys()].sort(), ['10.77.0.1', '10.77.0.9']);
  assert.deepEqual([byServer.get('10.77.0.1')!.yiaddr, byServer.get('10.77.0.1')!.file], [0, 'snponly.efi']);
  assert.notEqual(byServer.get('10.77.0.9')!.yiaddr, 0);
  const { asked } = await server.line((line) => 'asked' in line);
  assert.equal((asked as { mac: string }).mac, pc.mac);
});

test('a second DHCP server and a second PXE server are noticed and named', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const rival = await lan.addMachine('rival', '10.77.0.9/24');
  const argv = dnsmasq('--dhcp-range=10.77.0.30,10.77.0.40', '--no-ping', '--dhcp-boot=evil.0');
  await background(t, rival.on(...argv), 'DHCP, sockets bound');
  const server = await serve(t, await lan.addMachine('srv', '10.77.0.1/24'), { ...pool, watch: true });
  const finding = await server.line((line) => line.action === 'second-dhcp-server');
  assert.match(String(finding.text), /gives addresses on eth0: 10\.77\.0\.9\./);
  assert.match(String((await server.line((line) => line.action === 'second-boot-server')).text), /10\.77\.0\.9/);
});

test('with two interfaces it hears and answers its own one only', { skip }, async (t) => {
  const [lan, office] = [await Segment.make(t), await Segment.make(t)];
  const host = await lan.addMachine('srv', '10.77.0.1/24');
  await office.attach(host.namespace, 'eth1', '192.168.5.1/24');
  const server = await serve(t, host, pool);
  assert.equal(await udhcpc(await office.addMachine('pc9'), '-t', '1'), undefined);
  assert.equal(await udhcpc(await lan.addMachine('pc1')), '10.77.0.100');
  const { counts } = (await server.stop()) as { counts: Record<string, number> };
  assert.deepEqual(counts, { answered: 2 });
});

test('the npm package dhcp reads our packets as we do', () => {
  const require = createRequire(import.meta.url);
  const oracle = require('dhcp/lib/protocol.js') as {
    parse(bytes: Buffer): { options: Record<number, unknown>; xid: number };
  };
  const packet = firmware.ovmfPxe();
  const plain = new Map(
    [...packet.options].filter(([code]) => code === option.messageType || code === option.vendorClass),
  );
  const read = oracle.parse(encodePacket({ ...packet, options: plain })!);
  assert.equal(read.xid, packet.xid);
  assert.equal(read.options[option.messageType], 1);
  assert.equal(read.options[option.vendorClass], 'PXEClient:Arch:00007:UNDI:003000');
});
