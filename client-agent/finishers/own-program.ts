/** Runs an own finisher: a program of the admin, as root in the agent, with the target's root mounted. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FinisherContext } from './finisher.ts';

/** Between TERM and KILL, in ms. */
const GRACE_MS = 2000;

/** The whole environment of an own finisher. Pure. */
export function environmentOf({ values, system, disk }: Pick<FinisherContext, 'values' | 'system' | 'disk'>) {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    HOME: '/root',
    FLEETCAST_HOSTNAME: values.hostname,
    FLEETCAST_SERIAL: values.serial,
    FLEETCAST_MAC: values.mac,
    FLEETCAST_N: String(values.n),
    FLEETCAST_DISK: disk.path,
    FLEETCAST_ROOT: system?.root ?? '',
    FLEETCAST_SYSTEM: system?.kind ?? '',
  };
}

/**
 * Runs it to its end, and with it every program that it started: one that stays would hold the target's filesystem. `onWords` gets
 * what it prints. Throws an Error that says how it ended, or the reason of the signal.
 */
export async function runOwnProgram(
  bytes: Uint8Array,
  context: FinisherContext,
  onWords: (text: string) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-finisher-'));
  const path = join(folder, 'finisher');
  try {
    await writeFile(path, bytes, { mode: 0o700 });
    // A session of its own: what it starts is ended with it.
    const child = spawn(path, [], {
      cwd: folder,
      env: environmentOf(context),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', onWords);
    let end: [number | null, NodeJS.Signals | null];
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const closed = once(child, 'close');
    // A program that cannot be started fails both; `exited` says so.
    closed.catch(() => undefined);
    const stop = () => endGroup(child.pid);
    context.signal.addEventListener('abort', stop, { once: true });
    if (context.signal.aborted) stop();
    try {
      end = await exited;
    } finally {
      context.signal.removeEventListener('abort', stop);
      // What it left running holds its pipes open too.
      signalGroup(child.pid, 'SIGKILL');
    }
    await closed;
    context.signal.throwIfAborted();
    const [code, signal] = end;
    if (code !== 0) throw new Error(signal === null ? `exit code ${code}` : `signal ${signal}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function endGroup(pid: number | undefined): void {
  signalGroup(pid, 'SIGTERM');
  setTimeout(() => signalGroup(pid, 'SIGKILL'), GRACE_MS).unref();
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left.
  }
}
