import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

const MAIN = join(import.meta.dirname, '../../server/main.ts');

async function makePlace(t: TestContext) {
  const folder = tempFolder(t);
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  const config = join(folder, 'fleetcast.toml');
  writeFileSync(config, '[boot]\ndhcp = "off"\ntftp = "off"\n');
  return { folder, port, config, socket: join(folder, 'run', 'admin.sock'), dataDir: join(folder, 'data') };
}

type Place = Awaited<ReturnType<typeof makePlace>>;

function argumentsOf({ port, config, socket, dataDir }: Place, more: string[] = []): string[] {
  const flags = [
    '--config',
    config,
    '--interface',
    'lo',
    '--agent-port',
    String(port),
    '--socket',
    socket,
    '--data-dir',
    dataDir,
    '--log-level',
    'error',
  ];
  return [MAIN, ...flags, ...more];
}

/** Starts a daemon and waits for the line that says it is ready. */
async function startDaemon(
  t: TestContext,
  place: Place,
  more: string[] = [],
): Promise<{ daemon: ChildProcess; line: string }> {
  const daemon = spawn(process.execPath, argumentsOf(place, more), { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => daemon.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: daemon.stdout! }), 'line')) as [string];
  return { daemon, line };
}

async function refusedStart(place: Place): Promise<{ exitCode: number; code: string; message: string }> {
  const argv = [process.execPath, ...argumentsOf(place, ['--json'])];
  const { stdout, stderr, exitCode } = await run(argv, { okCodes: [2, 11] });
  assert.equal(stdout, '', 'stdout is for answers');
  return { exitCode, ...JSON.parse(stderr).error };
}

async function ask(socketPath: string, path: string): Promise<IncomingMessage> {
  const call = request({ socketPath, path, agent: false });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return response;
}

test('the daemon says when it is ready, answers on both sides, and stops at once on a signal', async (t) => {
  const place = await makePlace(t);
  const { daemon, line } = await startDaemon(t, place);
  assert.equal(line, `fleetcast is ready: admin socket ${place.socket}, agents on http://127.0.0.1:${place.port}`);
  const status = JSON.parse(
    String(await (await ask(place.socket, '/api/v1/status')).setEncoding('utf8').reduce((a, b) => a + b, '')),
  );
  assert.deepEqual([status.pid, status.interface, status.dataDir], [daemon.pid, 'lo', place.dataDir]);
  const target = await fetch(`http://127.0.0.1:${place.port}/boot/v1/next?mac=525400770001`);
  assert.equal(((await target.json()) as { target: string }).target, 'local');
  assert.equal(statSync(join(place.dataDir, 'fleetcast.db')).mode & 0o777, 0o640);

  const stream = await ask(place.socket, '/api/v1/events?follow=1');
  stream.on('error', () => {});
  stream.resume();
  daemon.kill('SIGTERM');
  const [exitCode] = await once(daemon, 'exit');
  assert.equal(exitCode, 0);
  assert.ok(!existsSync(place.socket));
});

test('a daemon that was killed is followed by the next, which knows what it knew', async (t) => {
  const place = await makePlace(t);
  const first = await startDaemon(t, place);
  await fetch(`http://127.0.0.1:${place.port}/boot/v1/next?mac=525400770001`);
  first.daemon.kill('SIGKILL');
  await once(first.daemon, 'exit');
  assert.ok(existsSync(place.socket));
  const second = await startDaemon(t, place, ['--json']);
  assert.deepEqual(JSON.parse(second.line), {
    ready: true,
    socket: place.socket,
    agentUrl: `http://127.0.0.1:${place.port}`,
    pid: second.daemon.pid,
  });
  const hosts = JSON.parse(
    String(await (await ask(place.socket, '/api/v1/hosts')).setEncoding('utf8').reduce((a, b) => a + b, '')),
  );
  assert.equal(hosts[0].name, 'host-525400770001');
});

test('a daemon takes neither the socket, nor the port, nor the store of another', async (t) => {
  const place = await makePlace(t);
  const { daemon } = await startDaemon(t, place);
  const other = await makePlace(t);
  const sameSocket = await refusedStart({ ...other, socket: place.socket });
  assert.deepEqual([sameSocket.exitCode, sameSocket.code], [11, 'SOCKET_TAKEN']);
  const samePort = await refusedStart({ ...other, port: place.port });
  assert.deepEqual([samePort.exitCode, samePort.code], [11, 'PORT_TAKEN']);
  assert.equal(samePort.message, `Port ${place.port} on 127.0.0.1 is taken by another program`);
  const sameStore = await refusedStart({ ...other, dataDir: place.dataDir });
  assert.deepEqual([sameStore.exitCode, sameStore.code], [11, 'STORE_LOCKED']);
  assert.equal((await ask(place.socket, '/api/v1/status')).statusCode, 200);
  daemon.kill('SIGINT');
  assert.deepEqual(await once(daemon, 'exit'), [0, null]);
});

test('a start that cannot be says why and what to do next', async (t) => {
  const place = await makePlace(t);
  const program = (args: string[]) => run([process.execPath, MAIN, ...args], { okCodes: [2, 11] });
  const missing = await program(['--interface', 'fc-none', '--data-dir', place.dataDir, '--socket', place.socket]);
  assert.match(missing.stderr, /^fleetcast: There is no network interface fc-none; there are: .*lo/);
  assert.match(missing.stderr, /\n {2}Next: Set \[network\] interface/);
  assert.match((await program(['--agent-port', 'many'])).stderr, /--agent-port = null/);
  assert.match((await program(['--colour'])).stderr, /Unknown option '--colour'/);
});

test('what lies where the data should be is told, and left as it is', async (t) => {
  const place = await makePlace(t);
  writeFileSync(place.dataDir, 'a file');
  const inTheWay = await refusedStart(place);
  assert.deepEqual([inTheWay.exitCode, inTheWay.code], [11, 'FOLDER_UNUSABLE']);
  const other = await makePlace(t);
  mkdirSync(other.dataDir);
  const path = join(other.dataDir, 'fleetcast.db');
  writeFileSync(path, 'no database, '.repeat(1000));
  const damaged = await refusedStart(other);
  assert.deepEqual([damaged.exitCode, damaged.code], [11, 'DATABASE_DAMAGED']);
  assert.match(readFileSync(path, 'utf8'), /^no database/);
});

test('config check and config show read the file', async (t) => {
  const { folder } = await makePlace(t);
  const good = join(folder, 'good.toml');
  const bad = join(folder, 'bad.toml');
  writeFileSync(good, '[network]\nagent_port = 9999\n');
  writeFileSync(bad, '[network]\nagent_prot = 9999\n');
  const config = (args: string[], okCodes = [0]) => run([process.execPath, MAIN, 'config', ...args], { okCodes });
  assert.equal((await config(['check', '--config', good])).stdout, `OK: ${good}\n`);
  const refused = await config(['check', '--config', bad], [2]);
  assert.match(refused.stderr, /Unknown key network\.agent_prot .*\n {2}Next: Did you mean network\.agent_port\?/);
  const shown = await config(['show', '--config', good]);
  assert.match(shown.stdout, /^agent_port = 9999$/m);
  const { keys } = JSON.parse((await config(['show', '--config', good, '--json'])).stdout);
  assert.equal(keys.find((key: { key: string }) => key.key === 'network.agent_port').value, 9999);
});
