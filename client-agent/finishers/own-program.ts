/** Runs an own finisher: a program of the admin, as root in the agent, with the target's root mounted. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { elfMachine, interpreterOf, whyNoProgram } from '#protocol/finisher-program.ts';
import type { FinisherContext } from './finisher.ts';
import { endPrograms, RUN_VARIABLE } from './left-programs.ts';

/** Between TERM and KILL, in ms. */
const GRACE_MS = 2000;

/** The whole environment of an own finisher. Pure. */
function environmentOf({ values, system, disk }: Pick<FinisherContext, 'values' | 'system' | 'disk'>) {
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
  const run = randomUUID();
  try {
    await writeFile(path, bytes, { mode: 0o700 });
    // A session of its own: what it starts is ended with it.
    const why = whyNotHere(bytes);
    if (why !== undefined) throw new Error(why);
    const child = spawn(path, [], {
      cwd: folder,
      env: { ...environmentOf(context), [RUN_VARIABLE]: run },
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
    } catch (error) {
      throw startFailure(error as NodeJS.ErrnoException);
    } finally {
      context.signal.removeEventListener('abort', stop);
      // What it left running holds its pipes open too, and the target's filesystem.
      signalGroup(child.pid, 'SIGKILL');
      await endPrograms(run);
    }
    const isClosed = await Promise.race([closed.then(() => true), delay(GRACE_MS, false)]);
    for (const stream of [child.stdout, child.stderr]) stream.destroy();
    context.signal.throwIfAborted();
    const [code, signal] = end;
    if (!isClosed) throw new Error('something that it started goes on, and cannot be ended');
    if (code !== 0) throw new Error(signal === null ? `exit code ${code}` : `signal ${signal}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is left: a program whose loader or whose kind the agent does not have. */
function startFailure(error: NodeJS.ErrnoException): Error {
  const isForeign = error.code === 'ENOENT' || error.code === 'ENOEXEC';
  if (!isForeign) return error;
  return new Error('it cannot be started here: the agent has no shared libraries for it; link it statically', {
    cause: error,
  });
}

/** Why this machine cannot start it; what the kernel says would name our copy of it. */
function whyNotHere(bytes: Uint8Array): string | undefined {
  const why = whyNoProgram(bytes);
  if (why !== undefined) return `it cannot be started: ${why}`;
  const interpreter = interpreterOf(bytes);
  if (interpreter !== '') {
    return existsSync(interpreter) ? undefined : `it cannot be started: the agent has no ${interpreter}; use #!/bin/sh`;
  }
  const machine = elfMachine(bytes);
  return machine === process.arch
    ? undefined
    : `it cannot be started: it was built for ${machine} machines, and this one is ${process.arch}`;
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
