/** Programs that others wrote, and a client that sends any packet, on machines of a segment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type DhcpPacket, decodePacket, encodePacket } from '#server/boot/dhcp/packet.ts';
import { run } from '#system/run.ts';
import type { Machine } from './segment.ts';

/** A last resort: nothing here takes a second on a quiet machine. */
const LIMIT_MS = 60_000;
const ASK = join(import.meta.dirname, 'ask.ts');

/** Runs until its output has the words. Ends with the test. */
export async function background(t: TestContext, argv: readonly string[], words: string): Promise<ChildProcess> {
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`${argv.join(' ')} does not say "${words}": ${output}`)), LIMIT_MS);
    const hear = (text: Buffer) => {
      output += text.toString();
      if (!output.includes(words)) return;
      clearTimeout(limit);
      resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
  });
  return child;
}

/** What comes back to a broadcast of the packet with the machine's own MAC: `answers` are waited for, and a moment for more. */
export async function ask(
  machine: Machine,
  packet: DhcpPacket,
  answers: number,
): Promise<(DhcpPacket & { from: string })[]> {
  const own = Buffer.from(machine.mac.replaceAll(':', ''), 'hex');
  const hex = encodePacket({ ...packet, chaddr: own })!.toString('hex');
  const { stdout } = await run(machine.on(process.execPath, ASK, JSON.stringify({ hex, answers, limitMs: LIMIT_MS })));
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { from: string; hex: string })
    .map(({ from, hex }) => ({ ...(decodePacket(Buffer.from(hex, 'hex')) as DhcpPacket), from }))
    .filter(({ chaddr }) => chaddr.equals(own));
}

/** argv of a dnsmasq on eth0 that says `DHCP, sockets bound` when it is ready. */
export function dnsmasq(...options: string[]): string[] {
  const quiet = [
    '--no-daemon',
    '--conf-file=/dev/null',
    '--port=0',
    '--leasefile-ro',
    '--interface=eth0',
    '--bind-interfaces',
  ];
  return ['dnsmasq', ...quiet, '--log-facility=-', ...options];
}
