/**
 * Makes the disk of one light host slow, by the kernel: its programs go into a control group of their own, whose direct writes
 * (or reads) to the device below the lab's files are throttled (cgroup v1 blkio.throttle.write_bps_device, cgroup v2 io.max). The agent
 * writes with O_DIRECT, so it feels it just as it would feel a slow disk. The group goes with the lab.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { processesIn } from './process-record.ts';
import { labRoot, type RunFolder } from './run-folder.ts';
import { LAB_PREFIX, type LabHost } from './topology.ts';

/** Where groups are made, and how a limit is said there. */
interface Throttle {
  readonly root: string;
  readonly isV2: boolean;
}

/** Why no disk can be made slow here; undefined when it can. */
export function noSlowDisk(): string | undefined {
  if (findThrottle() === undefined) return 'the kernel offers no control group that throttles disks (blkio or io)';
  return deviceBelow(existsSync(labRoot()) ? labRoot() : join(labRoot(), '..')) === undefined
    ? 'the folder of the lab is on no disk of its own (an overlay, or memory)'
    : undefined;
}

/** Limits what all programs of the host, and those that they will start, write or read. May be called again with another rate. */
export function slowDisk(
  folder: RunFolder,
  host: LabHost,
  bytesPerSecond: number,
  direction: 'write' | 'read' = 'write',
): void {
  const throttle = findThrottle();
  const device = deviceBelow(folder.path);
  if (throttle === undefined || device === undefined) throw new Error(noSlowDisk());
  const group = join(throttle.root, groupName(folder, host.name));
  mkdirSync(group, { recursive: true });
  const rate = Math.max(1, Math.round(bytesPerSecond));
  if (throttle.isV2) writeFileSync(join(group, 'io.max'), `${device} ${direction[0]}bps=${rate}`);
  else writeFileSync(join(group, `blkio.throttle.${direction}_bps_device`), `${device} ${rate}`);
  // A process that has just forked may have a child that is in no list yet: look until nothing is left.
  for (let isNew = true; isNew; ) {
    const inside = new Set(readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').map(Number));
    const outside = processesIn([host.namespace]).filter(({ pid }) => !inside.has(pid));
    for (const { pid } of outside) move(group, pid);
    isNew = outside.length > 0;
  }
}

/** Takes the limits away: a program that waits for a throttled write cannot even be killed. May be repeated. */
export function liftSlowDisks(folder: RunFolder): void {
  const throttle = findThrottle();
  const device = deviceBelow(folder.path);
  if (throttle === undefined || device === undefined) return;
  for (const name of groupsOf(throttle, folder)) {
    const group = join(throttle.root, name);
    if (throttle.isV2) writeFileSync(join(group, 'io.max'), `${device} wbps=max rbps=max`);
    else
      for (const which of ['write', 'read'])
        writeFileSync(join(group, `blkio.throttle.${which}_bps_device`), `${device} 0`);
  }
}

/** Removes the groups of a run, whose programs must have ended. May be repeated. */
export function removeSlowDisks(folder: RunFolder): void {
  const throttle = findThrottle();
  if (throttle === undefined) return;
  for (const name of groupsOf(throttle, folder)) rmdirSync(join(throttle.root, name));
}

function groupsOf(throttle: Throttle, folder: RunFolder): string[] {
  return readdirSync(throttle.root).filter((name) => name.startsWith(groupName(folder, '')));
}

function move(group: string, pid: number): void {
  try {
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it ended meanwhile
  }
}

function groupName(folder: RunFolder, host: string): string {
  return `${LAB_PREFIX}${folder.run}-${host}`;
}

function findThrottle(): Throttle | undefined {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, root, type, options] = line.split(' ');
    if (root === undefined) continue;
    if (type === 'cgroup' && options?.split(',').includes('blkio')) {
      return existsSync(join(root, 'blkio.throttle.io_serviced')) ? { root, isV2: false } : undefined;
    }
    if (type === 'cgroup2' && wordsIn(join(root, 'cgroup.subtree_control')).includes('io')) return { root, isV2: true };
  }
  return undefined;
}

/** `MAJOR:MINOR` of the whole disk below a path; limits are not taken for a partition. */
function deviceBelow(path: string): string | undefined {
  const { dev } = statSync(path);
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
  const entry = `/sys/dev/block/${major}:${minor}`;
  if (!existsSync(entry)) return undefined;
  const block = realpathSync(entry);
  return readFileSync(join(existsSync(join(block, 'partition')) ? join(block, '..') : block, 'dev'), 'utf8').trim();
}

function wordsIn(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(/\s+/) : [];
}
