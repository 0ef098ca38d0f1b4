/**
 * The power supply and the sleeping network card of a virtual machine: runs QEMU while the machine is on; when it has
 * switched itself off, waits for a magic packet and switches it on again. What happens goes to stdout; the machine's own
 * words go to its serial console.
 *
 * virtual-host.ts FOLDER/machine.json on|asleep
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { magicPacketFor } from './magic-packet.ts';
import { qemuArguments, type VirtualMachine } from './virtual-machine.ts';

const [machinePath, power] = process.argv.slice(2);
if (machinePath === undefined) throw new Error('the path of machine.json is missing');
const vm = JSON.parse(readFileSync(machinePath, 'utf8')) as VirtualMachine;

let qemu: ChildProcess | undefined;
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, pullThePlug);

let isOn = power === 'on';
for (;;) {
  if (!isOn) {
    say('powered off; a magic packet wakes it');
    await magicPacketFor(vm.mac);
    say('woken by a magic packet');
  }
  await runUntilOff();
  isOn = false;
}

async function runUntilOff(): Promise<void> {
  const [program, ...args] = qemuArguments(vm) as [string, ...string[]];
  qemu = spawn(program, args, { cwd: vm.folder, stdio: ['ignore', 'inherit', 'inherit'] });
  say(`powered on: QEMU is process ${qemu.pid}`);
  const [code, signal] = (await once(qemu, 'exit')) as [number | null, string | null];
  qemu = undefined;
  if (code !== 0) throw new Error(`QEMU ended with ${code ?? signal}`);
}

function pullThePlug(): void {
  qemu?.kill('SIGKILL');
  process.exit(0);
}

function say(text: string): void {
  console.log(`${new Date().toISOString()} virtual machine: ${text}`);
}
