/** DHCP and TFTP as parts of the whole daemon, in a namespace. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { run } from '#system/run.ts';
import { type Machine, Segment } from './dhcp/segment.ts';

const ROOT = join(import.meta.dirname, '../../..');
const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

async function makeServer(t: TestContext, lan: Segment, boot: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'fc-netboot-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'fleetcast.toml');
  const socket = join(folder, 'admin.sock');
  writeFileSync(
    config,
    [`[daemon]`, `data_dir = "${folder}/data"`, `socket = "${socket}"`, '[boot]', ...boot].join('\n'),
  );
  mkdirSync(join(folder, 'data/boot'), { recursive: true });
  const machine = await lan.addMachine('srv', '10.77.0.1/24');
  const argv = machine.on(process.execPath, join(ROOT, 'server/main.ts'), '--config', config, '--log-level', 'warn');
  const cliArgv = [process.execPath, join(ROOT, 'cli/main.ts'), '--socket', socket];
  const cli = async (...words: string[]) => {
    const { stdout } = await run([...cliArgv, ...words]);
    return stdout;
  };
  return { folder, machine, argv, cli, cliArgv };
}

async function startDaemon(t: TestContext, argv: readonly string[]): Promise<ChildProcess> {
  const daemon = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => stopDaemon(daemon));
  await once(createInterface({ input: daemon.stdout! }), 'line');
  return daemon;
}

async function stopDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  daemon.kill('SIGTERM');
  await once(daemon, 'exit');
}

async function udhcpc(machine: Machine): Promise<string | undefined> {
  const argv = machine.on('busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '3', '-T', '1', '-s', '/bin/true');
  return /lease of ([\d.]+) obtained/.exec((await run(argv, { okCodes: [0, 1] })).stderr)?.[1];
}

const full = ['dhcp = "full"', 'pool_first = "10.77.0.100"', 'pool_last = "10.77.0.110"', 'tftp = "on"'];

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
  assert.match(stderr, /10\.78\.0\.7 cannot be kept for pc-03: it is not in the network of 10\.77\.0\.1/);
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

test('a pool outside the network, or none, is refused with what to do', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const { argv } = await makeServer(t, lan, ['dhcp = "full"', 'pool_first = "10.78.0.1"', 'pool_last = "10.78.0.9"']);
  const { stderr } = await run([...argv, '--json'], { okCodes: [2] });
  assert.equal(JSON.parse(stderr).error.code, 'BOOT_POOL_INVALID');
});

test('as a proxy the daemon says that nobody gives addresses', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const { argv, cli } = await makeServer(t, lan, ['dhcp = "proxy"']);
  await startDaemon(t, argv);
  let events = '';
  while (!events.includes('No DHCP server gives addresses on eth0')) events = await cli('events');
});
