import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { describeFindings } from '#cli/doctor-view.ts';
import type { DoctorLine, Finding } from '#protocol/admin/doctor-api.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';

const plain = { paint: (text: string) => text };
const good: Finding = { host: 'pc-2', check: 'link', level: 'ok', text: 'the link has 1000 Mbit/s' };
const deaf: Finding = {
  ...{ host: 'pc-10', check: 'multicast', level: 'attention', text: 'deaf: heard none of 3000 datagrams of multicast' },
  next: 'At its switch: IGMP snooping needs a querier',
} as const;

async function daemonThatFinds(t: TestContext, lines: readonly DoctorLine[]): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start(t);
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  return daemon.onRaw('POST /doctor', (_call, response) => void response.end(text));
}

/** A config of its own; nothing of it is there yet. */
function makeConfig(t: TestContext, network: string): { dataDir: string; args: string[] } {
  const dataDir = tempFolder(t);
  const config = join(dataDir, 'fleetcast.toml');
  const socket = join(dataDir, 'admin.sock');
  writeFileSync(config, `[daemon]\ndata_dir = "${dataDir}"\nsocket = "${socket}"\n[network]\n${network}\n`);
  return { dataDir, args: ['--json', 'doctor', '--server', '--config', config] };
}

test('the hosts named are looked at, and something that needs attention ends with 3', async (t) => {
  const daemon = await daemonThatFinds(t, [{ doing: 'looking' }, { finding: deaf }, { finding: good }, { done: true }]);
  const args = ['--socket', daemon.socket, 'doctor', '-g', 'room', '--hosts', 'a,b', '--wake'];
  const { code, out } = await runCli(args);
  assert.equal(code, 3);
  assert.match(out, /pc-10 +multicast +attention +deaf: .*\n +Next: At its switch: IGMP snooping needs a querier\n/);
  assert.match(out, /\n1 finding needs attention\.\n$/);
  const wanted = { hosts: ['a', 'b'], groups: ['room'], wake: true, onDone: 'poweroff' };
  assert.deepEqual(daemon.calls[0]!.body, wanted);
});

test('when nothing needs attention it ends with 0, and as JSON it is one object', async (t) => {
  const daemon = await daemonThatFinds(t, [{ finding: good }, { done: true }]);
  const { code, out } = await runCli(['--socket', daemon.socket, '--json', 'doctor']);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), { needsAttention: false, findings: [good] });
});

test('an answer that breaks off is no good health', async (t) => {
  const daemon = await daemonThatFinds(t, [{ finding: good }]);
  const { code, err } = await runCli(['--socket', daemon.socket, 'doctor']);
  assert.equal(code, 10);
  assert.match(err, /ended in the middle/);
});

test('hosts are listed by name behind the server, and what is good at one is one line', () => {
  const server: Finding = { check: 'clock', level: 'ok', text: 'the clock is synchronised' };
  const lines = describeFindings([deaf, { ...good, check: 'mtu', text: 'MTU 1500' }, good, server], plain).split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(/ {2,}/).slice(0, 2).join('|')),
    [
      'WHERE|CHECK',
      'server|clock',
      'pc-2|all',
      'pc-10|multicast',
      '|Next: At its switch: IGMP snooping needs a querier',
      '',
      '1 finding needs attention.',
    ],
  );
  assert.match(lines[2]!, /MTU 1500; the link has 1000 Mbit\/s$/);
});

test('--server looks at this machine without a daemon: an interface that is missing, a database that is damaged', async (t) => {
  const { dataDir, args } = makeConfig(t, 'interface = "fc-none"');
  writeFileSync(join(dataDir, 'fleetcast.db'), 'this is no database, whatever it is called'.repeat(100));
  const { code, out, err } = await runCli(args);
  assert.equal(code, 3, err);
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  const of = (check: string) => findings.find((finding) => finding.check === check);
  assert.match(of('interface')!.text, /no network interface fc-none/);
  assert.match(of('database')!.text, /damaged: file is not a database/);
  assert.deepEqual(
    [of('daemon')!.level, of('boot')!.next, of('space')!.check],
    ['note', 'fleetcast boot build', 'space'],
  );
  assert.deepEqual([of('link'), of('dhcp'), of('igmp')], [undefined, undefined, undefined]);
});

test('--server names the port that another program has', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const { args } = makeConfig(t, `interface = "lo"\nagent_port = ${port}\n[boot]\ndhcp = "off"\ntftp = "off"`);
  const { code, out, err } = await runCli(args);
  assert.equal(code, 3, err);
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  const ports = findings.find(({ check }) => check === 'ports');
  assert.deepEqual([ports?.level, ports?.text], ['attention', `Port ${port} on 127.0.0.1 is taken by another program`]);
});

test('--server and a choice of hosts exclude each other', async () => {
  const { code, err } = await runCli(['doctor', '--server', '--group', 'room']);
  assert.equal(code, 2);
  assert.match(err, /--server looks at no hosts/);
});
