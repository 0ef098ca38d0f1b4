/** Takes down what a lab run made, from its run folder and its names alone; so it works for runs whose program was killed. */
import { readFileSync, rmdirSync } from 'node:fs';
import { run } from '#system/run.ts';
import { listNamespaces, tearDownNetwork } from './network.ts';
import { isOrphaned } from './own-namespace.ts';
import { endProcesses, processesIn } from './process-record.ts';
import { restoreReceiveBuffer } from './receive-buffer.ts';
import {
  hasLivingOwner,
  labRoot,
  listRunFolders,
  livingProcesses,
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
  const namespaces = (await listNamespaces()).filter((name) => name.startsWith(`${LAB_PREFIX}${folder.run}-`));
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

/** Removes every run whose program has ended, lab namespaces that have no run folder at all, and those that ended tests left behind. */
export async function removeDeadRuns(): Promise<Removed[]> {
  const removed: Removed[] = [];
  const folders = listRunFolders();
  for (const folder of folders) if (!hasLivingOwner(folder)) removed.push(await removeRun(folder));

  const known = new Set(folders.map((folder) => folder.run));
  const strays = (await listNamespaces()).filter((name) => {
    const named = /^fc-([0-9a-f]{4})-/.exec(name);
    return named === null ? isOrphaned(name) : !known.has(named[1]!);
  });
  const orphans = processesIn(strays);
  await endProcesses(orphans, 1000);
  await tearDownNetwork(strays);
  if (strays.length > 0) removed.push({ run: 'unknown', processes: orphans.length, namespaces: strays.length });
  return removed;
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
