/** Takes down what a lab run made, from its run folder and its names alone; so it works for runs whose program was killed. */
import { readFileSync, rmdirSync } from 'node:fs';
import { run } from '#system/run.ts';
import { listNamespaces, tearDownNetwork } from './network.ts';
import { isOrphaned } from './own-namespace.ts';
import { endProcesses, processesIn } from './process-record.ts';
import { restoreReceiveBuffer } from './receive-buffer.ts';
import {
  hasLivingOwner,
  isKept,
  labRoot,
  listRunFolders,
  livingProcesses,
  ownerOf,
  type RunFolder,
  removeRunFolder,
} from './run-folder.ts';
import { liftSlowDisks, removeSlowDisks } from './slow-disk.ts';
import { LAB_PREFIX } from './topology.ts';

/** Time for the daemon and the hosts to end by themselves. */
const GRACE_MS = 5000;

export interface Removed {
  readonly run: string;
  readonly processes: number;
  readonly namespaces: number;
}

/** Ends the run's programs, removes its namespaces, control groups, loop devices, mounts and files. May be repeated. */
export async function removeRun(folder: RunFolder): Promise<Removed> {
  const namespaces = namespacesOf(folder, await listNamespaces());
  liftSlowDisks(folder);
  const recorded = livingProcesses(folder);
  await endProcesses(recorded, GRACE_MS);
  // What the ended ones had started in turn (an agent, a receiver) and did not take along.
  const orphans = processesIn(namespaces);
  await endProcesses(orphans, 1000);
  await tearDownNetwork(namespaces);
  removeSlowDisks(folder);
  await freeLoops(folder);
  await unmountBelow(folder);
  removeRunFolder(folder);
  if (listRunFolders().length === 0) {
    restoreReceiveBuffer();
    removeLabRoot();
  }
  return { run: folder.run, processes: recorded.length + orphans.length, namespaces: namespaces.length };
}

/** What is to become of a lab when leftovers are removed. */
export type Fate = 'in-use' | 'kept' | 'leftover';

/** A kept lab stands as long as its network does, which no restart of the machine survives. Pure. */
export function fateOf(lab: { isOwned: boolean; isKept: boolean; hasNetwork: boolean }): Fate {
  if (lab.isOwned) return 'in-use';
  return lab.isKept && lab.hasNetwork ? 'kept' : 'leftover';
}

export interface FoundRun {
  readonly folder: RunFolder;
  readonly fate: Fate;
  /** Command line of the program that made it; absent: not known. */
  readonly madeBy: string | undefined;
  /** Programs that run in it. */
  readonly programs: number;
}

/** All labs of this machine. */
export async function findRuns(): Promise<FoundRun[]> {
  const all = await listNamespaces();
  return listRunFolders().map((folder) => {
    const namespaces = namespacesOf(folder, all);
    const isOwned = hasLivingOwner(folder);
    return {
      folder,
      fate: fateOf({ isOwned, isKept: isKept(folder), hasNetwork: namespaces.length > 0 }),
      madeBy: ownerOf(folder)?.what,
      programs: new Set([...livingProcesses(folder), ...processesIn(namespaces)].map(({ pid }) => pid)).size,
    };
  });
}

/**
 * Removes lab namespaces that have no run folder, and those that ended tests left behind. `inhabited`: programs run in some that have
 * no folder here; somebody may have made that lab with another TMPDIR, so they are ended only when `isAll`.
 */
export async function removeStrays(isAll: boolean): Promise<{ removed: Removed | undefined; inhabited: string[] }> {
  const known = new Set(listRunFolders().map((folder) => folder.run));
  const all = await listNamespaces();
  const orphaned = all.filter((name) => isOrphaned(name));
  const unknown = all.filter((name) => {
    const run = /^fc-([0-9a-f]{4})-/.exec(name)?.[1];
    return run !== undefined && !known.has(run);
  });
  const inhabited = isAll ? [] : unknown.filter((name) => processesIn([name]).length > 0);
  const strays = [...orphaned, ...unknown].filter((name) => !inhabited.includes(name));
  if (strays.length === 0) return { removed: undefined, inhabited };
  const orphans = processesIn(strays);
  await endProcesses(orphans, 1000);
  await tearDownNetwork(strays);
  return { removed: { run: 'unknown', processes: orphans.length, namespaces: strays.length }, inhabited };
}

function namespacesOf({ run }: RunFolder, all: readonly string[]): string[] {
  return all.filter((name) => name.startsWith(`${LAB_PREFIX}${run}-`));
}

async function freeLoops(folder: RunFolder): Promise<void> {
  const { stdout } = await run(['losetup', '--list', '--noheadings', '--raw', '--output', 'NAME,BACK-FILE']);
  for (const line of stdout.split('\n')) {
    const [device, ...file] = line.split(' ');
    if (file.join(' ').startsWith(`${folder.path}/`)) await run(['losetup', '--detach', device!]);
  }
}

/** Lazily: a namespace that is just being left may still hold its copy. */
async function unmountBelow(folder: RunFolder): Promise<void> {
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const target = line.split(' ')[1];
    if (target?.startsWith(`${folder.path}/`)) await run(['umount', '--lazy', target]);
  }
}

function removeLabRoot(): void {
  try {
    rmdirSync(labRoot());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY') throw error; // another lab has just begun
  }
}
