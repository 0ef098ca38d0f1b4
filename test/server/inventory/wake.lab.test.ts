import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { ownNamespace } from '#lab/own-namespace.ts';
import { run } from '#system/run.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SERVER = ownNamespace('wake-server');
const HOST = ownNamespace('wake-host');
const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

/** A server and a host, joined by a cable; neither has a route but that to the network they share. */
async function makeCable(t: TestContext): Promise<void> {
  const ip = (line: string) => run(['ip', ...line.split(' ')]);
  const removeAll = async () => {
    for (const name of [SERVER, HOST]) await run(['ip', 'netns', 'delete', name], { okCodes: [0, 1] });
  };
  t.after(removeAll);
  for (const name of [SERVER, HOST]) await ip(`netns add ${name}`);
  await ip(`-n ${SERVER} link add eth0 type veth peer name eth0 netns ${HOST}`);
  await ip(`-n ${SERVER} address add 10.77.9.1/24 brd + dev eth0`);
  await ip(`-n ${HOST} address add 10.77.9.2/24 brd + dev eth0`);
  for (const name of [SERVER, HOST]) await ip(`-n ${name} link set eth0 up`);
}

/** Prints the sender and the payload of whatever comes to UDP 9. */
const LISTEN = `
import { createSocket } from 'node:dgram';
const socket = createSocket('udp4');
socket.on('message', (packet, from) => console.log(from.address, packet.toString('hex')));
socket.bind(9, '0.0.0.0', () => console.log('listening'));
`;

const WAKE = `
import { Waker } from '#server/inventory/wake.ts';
import { systemClock } from '#system/clock.ts';
const options = { clock: systemClock, secureOnOf: () => '00:11:22:33:44:55', repeats: 2 };
await new Waker({ address: '10.77.9.1', broadcast: '10.77.9.255' }, options).wake({ hostId: 1, name: 'pc-01', macs: ['52:54:00:77:00:01'] });
`;

test('a magic packet crosses the deployment network as a broadcast', { skip }, async (t) => {
  await makeCable(t);
  const inNamespace = (name: string, program: string) => [
    ...['ip', 'netns', 'exec', name, process.execPath],
    ...['--input-type=module-typescript', '-e', program],
  ];
  const [command, ...args] = inNamespace(HOST, LISTEN);
  const listener = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => listener.kill('SIGKILL'));
  const lines = createInterface({ input: listener.stdout });
  await once(lines, 'line');
  const heard = once(lines, 'line');
  await run(inNamespace(SERVER, WAKE), { cwd: ROOT });
  assert.deepEqual(await heard, [`10.77.9.1 ${'ff'.repeat(6)}${'525400770001'.repeat(16)}001122334455`]);
});
