/** Boots a disk in a machine without a network, by real firmware, until the machine is off; types what its console asks for. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FRESH_VARIABLES, machineArguments, processorArguments, vmFiles } from './virtual-machine.ts';

/** A last resort: a Debian boots in 40 s when the machine is quiet. */
const LIMIT_MS = 600_000;

export interface DiskBootOptions {
  readonly firmware: 'bios' | 'uefi';
  /** A raw disk. It is not written: what the machine writes is forgotten. */
  readonly disk: string;
  /** A folder of its own, which is made and stays. The variables of UEFI are in it, and kept when they are there already. */
  readonly folder: string;
  /** Ends it when the console has said this, else when the machine has switched itself off. */
  readonly until?: string;
  /** What its console asks for, and the line to type each time. */
  readonly answer?: { readonly asks: string; readonly line: string };
  /** With a network card that hears nobody, so that the firmware has entries for network boot. */
  readonly hasNetworkCard?: boolean;
  readonly limitMs?: number;
}

/** What its serial console said. Throws an Error with its last words when it did not come to its end. */
export async function bootDisk(o: DiskBootOptions): Promise<string> {
  mkdirSync(o.folder, { recursive: true });
  const variables = join(o.folder, vmFiles.variables);
  if (o.firmware === 'uefi' && !existsSync(variables)) copyFileSync(FRESH_VARIABLES, variables);
  const [program, ...args] = diskBootArguments(o) as [string, ...string[]];
  const qemu = spawn(program, args, { cwd: o.folder, stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  let answeredAt = 0;
  let isOver = false;
  qemu.stdin.on('error', () => {}); // it has ended meanwhile
  qemu.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString('latin1');
    if (o.answer !== undefined && said.indexOf(o.answer.asks, answeredAt) >= 0) {
      answeredAt = said.length;
      qemu.stdin.write(`${o.answer.line}\n`);
    }
    if (o.until === undefined || !said.includes(o.until) || isOver) return;
    isOver = true;
    qemu.kill('SIGTERM');
  });
  const tooLong = setTimeout(() => qemu.kill('SIGKILL'), o.limitMs ?? LIMIT_MS);
  try {
    const [code] = (await once(qemu, 'close')) as [number | null];
    if (code === 0) return said;
    throw new Error(`the machine with ${o.firmware} did not switch itself off:\n${said.slice(-3000)}`);
  } finally {
    clearTimeout(tooLong);
  }
}

/** Pure. To be run in its folder. */
export function diskBootArguments({ firmware, disk, hasNetworkCard = false }: DiskBootOptions): string[] {
  return [
    // Whoever is killed takes the machine along.
    ...['setpriv', '--pdeathsig', 'KILL', 'qemu-system-x86_64', ...processorArguments, '-m', '512'],
    ...['-display', 'none', '-nodefaults', '-vga', 'std', '-no-reboot', ...machineArguments[firmware]],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console', '-monitor', 'none'],
    ...['-drive', `if=none,id=disk,file=${disk},format=raw,cache=unsafe,snapshot=on`],
    ...['-device', 'virtio-blk-pci,drive=disk'],
    ...(hasNetworkCard ? ['-netdev', 'hubport,id=net,hubid=0', '-device', 'virtio-net-pci,netdev=net,romfile='] : []),
  ];
}
