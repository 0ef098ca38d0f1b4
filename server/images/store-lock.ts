/**
 * One process a store: `store/lock` holds the pid and the start time of the process that has it open.
 * Both together name a process for good (a pid alone comes back), so a lock left by a killed daemon is seen as such.
 */
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { knownError } from '#protocol/errors.ts';

export interface StoreLock {
  release(): Promise<void>;
}

/** Throws STORE_LOCKED when a living process (this one too) has the store open. */
export async function lockStore(dir: string): Promise<StoreLock> {
  const path = join(dir, 'lock');
  const mine = `${path}.${process.pid}-${process.hrtime.bigint()}`;
  await writeFile(mine, `${process.pid} ${startTimeOf(process.pid)}\n`);
  try {
    // link(2) makes the lock with its content or fails: nobody ever reads half a lock.
    while (!(await tryLink(mine, path))) await clearDeadLock(dir, path, `${mine}.dead`);
  } finally {
    await rm(mine, { force: true });
  }
  return { release: () => rm(path, { force: true }) };
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function clearDeadLock(dir: string, path: string, aside: string): Promise<void> {
  const content = await readIfThere(path);
  if (content === undefined) return;
  const [pid = '', startTime] = content.trim().split(' ');
  if (/^\d+$/.test(pid) && startTimeOf(Number(pid)) === startTime) throw knownError('STORE_LOCKED', { path: dir, pid });
  // Two starting daemons may both see the dead lock: whoever moved a lock that is not the dead one puts it back.
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readIfThere(aside)) !== content) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Field 22 of /proc/PID/stat (proc(5)): clock ticks from boot to the start of the process; undefined when it is gone. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name (field 2) is in brackets and may hold blanks.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
