import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SerialPort } from '#lab/serial-port.ts';
import { planVirtualMachine, vmFiles } from '#lab/virtual-machine.ts';
import { tempFolder } from '#test/temp-folder.ts';

test('keys typed while a machine is off are lost, and those typed when it is on reach its serial port', async (t) => {
  const folder = tempFolder(t);
  const port = new SerialPort(planVirtualMachine({ run: 'abcd', name: 'vm', index: 0, firmware: 'bios', folder }));
  t.after(() => port.close());
  port.send(Buffer.from('lost'));

  const machine = createServer().listen(join(folder, vmFiles.console));
  t.after(() => machine.close());
  await once(machine, 'listening');
  const connected = once(machine, 'connection');
  // The port may still be noticing that nobody was there.
  const typing = new AbortController();
  t.after(() => typing.abort());
  void typeAgain(port, typing.signal);
  const [socket] = (await connected) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  assert.match(bytes.toString(), /^k+$/);
  socket.destroy();
});

async function typeAgain(port: SerialPort, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    port.send(Buffer.from('k'));
    await delay(50);
  }
}
