/** Full mode for several networks: each relay's clients get addresses and options of their own network. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { option } from '#server/boot/dhcp/option.ts';
import { run } from '#system/run.ts';
import { background } from './foreign-programs.ts';
import { ip, type Machine, Program, Segment } from './segment.ts';
import type { ServeOptions } from './serve-dhcp.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';
const far = {
  network: '10.78.0.0/24',
  poolFirst: '10.78.0.10',
  poolLast: '10.78.0.200',
  leaseS: 600,
  router: '10.78.0.1',
  dns: ['10.78.0.2', '10.78.0.3'],
  ntp: ['10.78.0.4', '10.78.0.5'],
  domain: 'far.test',
};
const options: ServeOptions = { mode: 'full', first: '10.77.0.100', last: '10.77.0.120', more: [far] };

async function serve(t: Parameters<typeof background>[0], machine: Machine, more: Partial<ServeOptions> = {}) {
  const server = new Program(t, machine, new URL('serve-dhcp.ts', import.meta.url).pathname, { ...options, ...more });
  await server.line((line) => line.ready === true);
  return server;
}

type Leases = { counts: Record<string, number>; leases: { address: string; mac: string }[] };

test('perfdhcp as the relay of another network gets that network’s addresses, and loses no answer', {
  skip,
}, async (t) => {
  const lan = await Segment.make(t);
  const host = await lan.addMachine('srv', '10.77.0.1/24');
  const relay = await lan.addMachine('relay', '10.78.0.1/24');
  await ip('-n', host.namespace, 'route', 'add', '10.78.0.0/24', 'dev', 'eth0');
  await ip('-n', relay.namespace, 'route', 'add', '10.77.0.0/24', 'dev', 'eth0');
  const server = await serve(t, host);
  const load = ['-r', '100', '-R', '50', '-n', '100', '-W', '2000000'];
  const { stdout } = await run(relay.on('perfdhcp', '-4', '-l', 'eth0', ...load, '10.77.0.1'), { okCodes: [0, 3] });
  assert.deepEqual(
    [...stdout.matchAll(/drops: (\d+)/g)].map((match) => match[1]),
    ['0', '0'],
    stdout,
  );
  const { leases } = (await server.stop()) as unknown as Leases;
  assert.equal(leases.length, 50);
  assert.deepEqual([...new Set(leases.map(({ address }) => address.replace(/\d+$/, '')))], ['10.78.0.']);
});

test('behind a relay a machine is told the options of its network, and gets the address kept for it there', {
  skip,
}, async (t) => {
  const [near, there] = [await Segment.make(t), await Segment.make(t)];
  const host = await near.addMachine('srv', '10.77.0.1/24');
  const relay = await there.addMachine('relay', '10.78.0.1/24');
  await near.attach(relay.namespace, 'eth1', '10.77.0.2/24');
  await run(relay.on('sysctl', '-qw', 'net.ipv4.ip_forward=1'));
  await ip('-n', host.namespace, 'route', 'add', '10.78.0.0/24', 'via', '10.77.0.2');
  const [kept, other, local] = [
    await there.addMachine('pc1'),
    await there.addMachine('pc2'),
    await near.addMachine('pc3'),
  ];
  // One is kept in the far network, one in the near, from where its machine has moved away.
  const server = await serve(t, host, { reserved: { [kept.mac]: '10.78.0.222', [other.mac]: '10.77.0.50' } });
  await background(t, relay.on('dhcrelay', '-4', '-d', '-a', '-id', 'eth0', '-iu', 'eth1', '10.77.0.1'), 'Sending on');
  assert.equal((await udhcpc(kept)).ip, '10.78.0.222');
  const told = await udhcpc(other);
  assert.deepEqual(
    { ...told, mask: told.mask },
    {
      ip: '10.78.0.10',
      mask: '24',
      router: '10.78.0.1',
      dns: '10.78.0.2 10.78.0.3',
      ntpsrv: '10.78.0.4 10.78.0.5',
      domain: 'far.test',
      lease: '600',
    },
  );
  assert.equal((await udhcpc(local)).ip, '10.77.0.100');
  await server.stop();
});

/** What udhcpc hands to its script. */
async function udhcpc(machine: Machine): Promise<Record<string, string | undefined>> {
  const codes = [option.ntp, option.domain].flatMap((code) => ['-O', String(code)]);
  const names = ['ip', 'mask', 'router', 'dns', 'ntpsrv', 'domain', 'lease'];
  const argv = machine.on('busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '5', '-T', '2', ...codes);
  const folder = mkdtempSync(join(tmpdir(), 'fc-udhcpc-'));
  const script = join(folder, 'say');
  writeFileSync(script, '#!/bin/sh\nenv\n', { mode: 0o755 });
  const { stdout } = await run([...argv, '-s', script]);
  rmSync(folder, { recursive: true });
  const values = new Map(stdout.split('\n').map((line) => line.split('=', 2) as [string, string]));
  return Object.fromEntries(names.map((name) => [name, values.get(name)?.trim()]));
}
