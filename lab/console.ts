/**
 * `bin/node lab/console.ts MACHINE [--lab RUN]`: the console of a machine of a lab that is up, by number or name. Shows what it
 * has said last and goes on. What is typed goes to the serial port of a virtual machine; a light host hears nothing.
 * Ctrl-] leaves that of a virtual machine, Ctrl-C that of a light host.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { findLab } from './find-lab.ts';
import { LabUsageError, runLabProgram } from './lab-program.ts';
import { type Machine, Machines } from './machines.ts';
import { requireRoot } from './require-root.ts';
import { SerialPort } from './serial-port.ts';
import { VmRack } from './vm-rack.ts';

const LOOK_EVERY_MS = 100;
const SHOWN_AT_FIRST_BYTES = 4096;
const LEAVE_KEY = 0x1d; // Ctrl-]

await runLabProgram('bin/node lab/console.ts MACHINE [--lab RUN]', async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { lab: { type: 'string' } } });
  const [wanted] = positionals;
  if (wanted === undefined || positionals.length > 1)
    throw new LabUsageError('Which machine? One, by number or by name');
  requireRoot('A lab');
  const lab = findLab(values.lab);
  const machines = new Machines(lab, VmRack.attach(lab));
  const machine = machines.find(wanted);
  console.error(
    `[${machine.name}, ${machine.kind}, power: ${machines.powerOf(machine)}. ${machine.vm ? 'Ctrl-]' : 'Ctrl-C'} leaves the console.]`,
  );
  const left = new AbortController();
  const keyboard = openKeyboard(machine, left);
  try {
    await follow(machine, lab.folder.path, left.signal);
  } finally {
    keyboard.close();
  }
  return 0;
});

/** Until the console is left or the lab is gone. */
async function follow({ consolePath, name }: Machine, labFolder: string, left: AbortSignal): Promise<void> {
  let shown = existsSync(consolePath) ? Math.max(0, statSync(consolePath).size - SHOWN_AT_FIRST_BYTES) : 0;
  while (!left.aborted) {
    if (!existsSync(labFolder)) {
      console.error(`\n[the lab of ${name} is gone]`);
      return;
    }
    if (existsSync(consolePath)) shown += copyFrom(consolePath, shown);
    await delay(LOOK_EVERY_MS);
  }
  console.error();
}

function copyFrom(path: string, offset: number): number {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(64 * 1024);
    const count = readSync(file, bytes, 0, bytes.length, offset);
    process.stdout.write(bytes.subarray(0, count));
    return count;
  } finally {
    closeSync(file);
  }
}

/** The keys go to the machine, but for the one that leaves. Without a terminal nothing is typed. */
function openKeyboard({ vm }: Machine, left: AbortController): { close(): void } {
  const { stdin } = process;
  if (!stdin.isTTY) return { close: () => {} };
  const serial = vm && new SerialPort(vm);
  stdin.setRawMode(vm !== undefined);
  stdin.on('data', (keys: Buffer) => {
    if (keys.includes(LEAVE_KEY)) left.abort();
    else serial?.send(keys);
  });
  return {
    close: () => {
      stdin.setRawMode(false);
      stdin.destroy();
      serial?.close();
    },
  };
}
