/**
 * The folder of one lab run, under TMPDIR/fleetcast-lab/RUN: everything the lab writes lies in it, and who owns it and
 * which processes it started are on record, so that the leftovers of a killed run can be found and removed for sure.
 *
 * | file | holds |
 * |---|---|
 * | owner.json | ProcessRecord of the program that made the lab |
 * | processes/PID.json | ProcessRecord of one program that the lab started |
 * | kept | nothing; it is there when the lab is meant to outlive the program that made it |
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, type ProcessRecord, recordOf } from './process-record.ts';

const MEMORY_DIR = '/dev/shm';
/** Two trees at a time, and the machine still has its own use for memory. */
const ROOM_BYTES = 4 * 1024 ** 3;

export interface RunFolder {
  readonly run: string;
  readonly path: string;
}

export function labRoot(): string {
  return join(tmpdir(), 'fleetcast-lab');
}

/** Makes a folder with a fresh name, owned by this process. */
export function createRunFolder(): RunFolder {
  mkdirSync(labRoot(), { recursive: true });
  for (;;) {
    const run = randomBytes(2).toString('hex');
    const path = join(labRoot(), run);
    try {
      mkdirSync(path, { mode: 0o755 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    mkdirSync(join(path, 'processes'));
    writeFileSync(join(path, 'owner.json'), JSON.stringify(recordOf(process.pid, process.argv.slice(1).join(' '))));
    return { run, path };
  }
}

export function listRunFolders(): RunFolder[] {
  return namesIn(labRoot())
    .filter((name) => /^[0-9a-f]{4}$/.test(name))
    .map((run) => ({ run, path: join(labRoot(), run) }));
}

/** True while the program that made the lab runs. */
export function hasLivingOwner(folder: RunFolder): boolean {
  const owner = ownerOf(folder);
  return owner !== undefined && isAlive(owner);
}

/** The program that made the lab; it may have ended. */
export function ownerOf(folder: RunFolder): ProcessRecord | undefined {
  return readRecord(join(folder.path, 'owner.json'));
}

/** The lab is for people from now on, and outlives this program. */
export function keepRun(folder: RunFolder): void {
  writeFileSync(join(folder.path, 'kept'), '');
}

export function isKept(folder: RunFolder): boolean {
  return existsSync(join(folder.path, 'kept'));
}

export function noteProcess(folder: RunFolder, pid: number, what: string): ProcessRecord {
  const record = recordOf(pid, what);
  writeFileSync(join(folder.path, 'processes', `${pid}.json`), JSON.stringify(record));
  return record;
}

export function forgetProcess(folder: RunFolder, pid: number): void {
  rmSync(join(folder.path, 'processes', `${pid}.json`), { force: true });
}

/** The recorded programs that still run. */
export function livingProcesses(folder: RunFolder): ProcessRecord[] {
  return namesIn(join(folder.path, 'processes'))
    .map((name) => readRecord(join(folder.path, 'processes', name)))
    .filter((record): record is ProcessRecord => record !== undefined && isAlive(record));
}

/**
 * A folder for what lives for seconds only (file trees taken out of a disk to be looked at): in memory where there is
 * enough of it, which takes a third of the processor time. Goes with the run.
 */
export function scratchOf(folder: RunFolder): string {
  return hasRoomInMemory() ? memoryScratch(folder) : join(folder.path, 'scratch');
}

export function removeRunFolder(folder: RunFolder): void {
  rmSync(memoryScratch(folder), { recursive: true, force: true });
  rmSync(folder.path, { recursive: true, force: true });
}

function memoryScratch(folder: RunFolder): string {
  return join(MEMORY_DIR, `fleetcast-lab-${folder.run}`);
}

function hasRoomInMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY_DIR);
    return bavail * bsize >= ROOM_BYTES;
  } catch {
    return false; // no such place on this machine
  }
}

function readRecord(path: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessRecord;
  } catch {
    return undefined; // a run that was killed while it wrote the file
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
