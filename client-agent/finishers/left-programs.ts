/**
 * What a finisher has left running. Its process group goes with it; a program that made a session of its own (a service that was started by
 * mistake, `setsid`) does not. It is known by its environment, which it has from the finisher (proc_pid_environ(5)).
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** A variable that no other program has: give it a value that was never used. */
export const RUN_VARIABLE = 'FLEETCAST_RUN';
/** A program that forks while it is ended is met again. */
const ROUNDS = 20;
const PAUSE_MS = 50;

/** Ends all programs that have this value in their environment. Answers whether none is left. */
export async function endPrograms(run: string): Promise<boolean> {
  for (let round = 0; round < ROUNDS; round++) {
    const left = await findPrograms(run);
    if (left.length === 0) return true;
    for (const pid of left) kill(pid);
    await delay(PAUSE_MS);
  }
  return false;
}

async function findPrograms(run: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // Gone meanwhile, or one of the kernel's.
    const environ = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
    if (environ.split('\0').includes(`${RUN_VARIABLE}=${run}`)) found.push(Number(name));
  }
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
