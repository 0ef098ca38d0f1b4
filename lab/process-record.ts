/** Names one process for good: a pid alone may belong to another program tomorrow, pid and start time together may not. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface ProcessRecord {
  readonly pid: number;
  /** Clock ticks after boot at which it started: field 22 of /proc/PID/stat, proc(5). */
  readonly startTicks: number;
  readonly what: string;
}

const POLL_MS = 50;

export function recordOf(pid: number, what: string): ProcessRecord {
  return { pid, startTicks: startTicksOf(pid) ?? 0, what };
}

/** A process that only waits to be reaped counts as ended. */
export function isAlive(record: ProcessRecord): boolean {
  const stat = readStat(record.pid);
  return stat !== undefined && stat.state !== 'Z' && stat.startTicks === record.startTicks;
}

/** Its arguments; none when it has ended. */
export function commandLineOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** SIGTERM, up to `graceMs` to end, then SIGKILL. A process that is already gone, or another one with its pid, is left alone. */
export async function endProcesses(records: readonly ProcessRecord[], graceMs: number): Promise<void> {
  signalAll(records, 'SIGTERM');
  await waitForEnd(records, graceMs);
  signalAll(records, 'SIGKILL');
  await waitForEnd(records, 2000);
}

/** Every process whose network namespace is one of those named in /run/netns. */
export function processesIn(namespaces: readonly string[]): ProcessRecord[] {
  const wanted = new Set<string | undefined>(namespaces.map(inodeOfNamespace));
  wanted.delete(undefined); // a namespace that is already gone
  if (wanted.size === 0) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && wanted.has(inodeOfProcess(name)))
    .map((name) => recordOf(Number(name), 'in a namespace of the lab'));
}

function signalAll(records: readonly ProcessRecord[], signal: NodeJS.Signals): void {
  for (const record of records) {
    if (!isAlive(record)) continue;
    try {
      process.kill(record.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

async function waitForEnd(records: readonly ProcessRecord[], limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (records.some(isAlive) && performance.now() < deadline) await delay(POLL_MS);
}

function startTicksOf(pid: number): number | undefined {
  return readStat(pid)?.startTicks;
}

function readStat(pid: number): { state: string; startTicks: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, startTicks: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

function inodeOfNamespace(name: string): string | undefined {
  try {
    return `net:[${statSync(`/run/netns/${name}`).ino}]`;
  } catch {
    return undefined;
  }
}

function inodeOfProcess(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined; // it ended meanwhile
  }
}
