/** The programs of a cast while they run, by the machine that they run on: what process faults are done to. */
import { readFileSync } from 'node:fs';
import { commandLineOf, isAlive, type ProcessRecord, processesIn } from '../process-record.ts';
import type { LabHost, Topology } from '../topology.ts';

/** The udp-receiver of a host; none outside of a cast. */
export function receiversOf(host: LabHost): ProcessRecord[] {
  return processesIn([host.namespace]).filter(({ pid }) => nameOf(pid) === 'udp-receiver');
}

/** The udp-senders of the server: one a running cast. */
export function sendersOf(topology: Topology): ProcessRecord[] {
  return processesIn([topology.serverNamespace]).filter(({ pid }) => nameOf(pid) === 'udp-sender');
}

/** The agent of a light host; none while it is off or boots. */
export function agentsOf(host: LabHost): ProcessRecord[] {
  return processesIn([host.namespace]).filter(({ pid }) => commandLineOf(pid).includes('--boot-token'));
}

/** How many got the signal: those that had ended before did not. */
export function signalPrograms(programs: readonly ProcessRecord[], signal: NodeJS.Signals): number {
  const alive = programs.filter(isAlive);
  for (const { pid } of alive) process.kill(pid, signal);
  return alive.length;
}

/** As the kernel shows it, proc(5); undefined when it has ended. */
function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
