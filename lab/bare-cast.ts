/**
 * The yardstick of a cast: udp-sender and udp-receiver alone, without a line of ours, for the same number of bytes, with
 * the same options, on the same link, to the same hosts. What the receivers get goes to /dev/null.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { programFailed } from '#system/run.ts';
import type { Lab } from './lab.ts';
import { inNamespace } from './network.ts';
import { forgetProcess, noteProcess } from './run-folder.ts';
import type { LabHost } from './topology.ts';

const PORT_BASE = 9500;
const RDV_ADDRESS = '239.192.77.1';
let runs = 0;

export interface BareCast {
  /** From `Starting transfer` to `Transfer complete.` in udp-sender's own log. */
  readonly seconds: number;
}

/** The options that make a cast quick; a test holds them equal to those of the daemon's casts. */
export function bareSenderArgs(receivers: number, dataAddress: string, logPath: string): string[] {
  return [
    ...['udp-sender', '--full-duplex', '--slice-size', '512', '--min-receivers', String(receivers), '--max-wait', '30'],
    ...['--retries-until-drop', '11', '--rexmit-hello-interval', '200', '--nopointopoint', '--start-timeout', '30'],
    ...['--portbase', String(PORT_BASE)],
    ...['--mcast-data-address', dataAddress, '--mcast-rdv-address', RDV_ADDRESS],
    ...['--ttl', '1', '--nokbd', '--interface', 'eth0', '--log', logPath, '--bw-period', '1', '--stat-period', '100'],
  ];
}

/** As the agent's, with /dev/null for its pipe. */
export function bareReceiverArgs(): string[] {
  return [
    ...['udp-receiver', '--nokbd', '--interface', 'eth0', '--rcvbuf', '4m', '--exit-wait', '100'],
    ...['--start-timeout', '30', '--receive-timeout', '30', '--portbase', String(PORT_BASE)],
    ...['--mcast-rdv-address', RDV_ADDRESS, '--file', '/dev/null'],
  ];
}

/** Throws PROGRAM_FAILED when a sender or receiver ends badly: then the time would mean nothing. */
export async function runBareCast(
  lab: Lab,
  hosts: readonly LabHost[],
  bytes: number,
  signal?: AbortSignal,
): Promise<BareCast> {
  const source = join(lab.folder.path, 'bare-source');
  const logPath = join(lab.folder.path, 'bare-sender.log');
  rmSync(logPath, { force: true });
  closeSync(openSync(source, 'w'));
  truncateSync(source, bytes); // sparse: costs nothing to read, and UDP does not compress
  const stdin = openSync(source, 'r');
  const children: ReturnType<typeof startProgram>[] = [];
  const endAll = () => {
    for (const { child } of children) child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', endAll, { once: true });
  try {
    for (const host of hosts) children.push(startProgram(lab, host.namespace, bareReceiverArgs(), 'ignore'));
    const sender = bareSenderArgs(hosts.length, nextDataAddress(), logPath);
    children.push(startProgram(lab, lab.topology.serverNamespace, sender, stdin));
    const ends = await Promise.all(children.map(({ ended }) => ended));
    signal?.throwIfAborted();
    const bad = ends.find((end) => end.outcome !== 'exit code 0');
    if (bad !== undefined) throw programFailed(bad.argv, bad.outcome, bad.stderr);
    return { seconds: readCastSeconds(readFileSync(logPath, 'utf8')) };
  } finally {
    signal?.removeEventListener('abort', endAll);
    endAll();
    closeSync(stdin);
    rmSync(source, { force: true });
  }
}

/** Seconds between the two lines of udp-sender's log, which gives times of day only. Throws when one is absent. */
export function readCastSeconds(log: string): number {
  const at = (words: string): number => {
    const found = new RegExp(`^(\\d\\d):(\\d\\d):(\\d\\d\\.\\d+) ${words}`, 'm').exec(log);
    if (found === null) throw new Error(`udp-sender's log has no "${words}"`);
    return Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3]);
  };
  const seconds = at('Transfer complete') - at('Starting transfer');
  return seconds < 0 ? seconds + 86_400 : seconds; // past midnight
}

/** A fresh group for each run, as the daemon does: a switch may still be forgetting who left the last one. */
function nextDataAddress(): string {
  runs = (runs + 1) % 50;
  return `239.192.78.${200 + runs}`;
}

function startProgram(lab: Lab, namespace: string, argv: readonly string[], stdin: number | 'ignore') {
  const [program, ...args] = inNamespace(namespace, argv) as [string, ...string[]];
  const child = spawn(program, args, { stdio: [stdin, 'ignore', 'pipe'], detached: true });
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  const { pid } = child;
  if (pid !== undefined) noteProcess(lab.folder, pid, argv[0]!);
  const ended = once(child, 'close').then(([code, by]) => {
    if (pid !== undefined) forgetProcess(lab.folder, pid);
    return { argv, stderr, outcome: by ? `signal ${by}` : `exit code ${code}` };
  });
  return { child, ended };
}
