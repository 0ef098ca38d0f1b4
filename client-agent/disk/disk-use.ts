/** What of a disk is in use by the running system: then nobody may write it, and what is read from it would change meanwhile. */
import { constants } from 'node:fs';
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { type Disk, describeDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';

/** Throws DISK_READ_ONLY or DISK_IN_USE, with `{host}` left open; nothing is changed. */
export async function requireUnused(disk: Disk, access: 'read' | 'write'): Promise<void> {
  const shown = `${disk.path} ${describeDisk(disk)}`;
  if (access === 'write' && disk.readOnly) throw knownError('DISK_READ_ONLY', { disk: shown });
  const use = disk.inUse ? (disk.usedBy ?? 'by the running agent') : await claimRefused(disk.path);
  if (use !== undefined) throw knownError('DISK_IN_USE', { disk: shown, use });
}

/**
 * The kernel gives a block device exclusively only while no filesystem, swap, mapping or RAID holds it or a partition of it (open(2),
 * O_EXCL): what lsblk(8) does not show is found too. The claim is given back at once.
 */
async function claimRefused(path: string): Promise<string | undefined> {
  if (!(await stat(path)).isBlockDevice()) return undefined;
  try {
    await (await open(path, constants.O_RDONLY | constants.O_EXCL)).close();
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    return 'the kernel does not give it away';
  }
}

/** A plain file that stands for a disk is used through a loop device whose filesystem is mounted; how, or undefined. */
export async function useOfFile(path: string): Promise<string | undefined> {
  const file = await realpath(path).catch(() => path);
  for (const name of await readdir('/sys/block').catch(() => [] as string[])) {
    if (!name.startsWith('loop')) continue;
    const backing = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (backing.trim() !== file) continue;
    const isClaimed = (await claimRefused(`/dev/${name}`).catch(() => undefined)) !== undefined;
    if (isClaimed) return (await mountOf(name)) ?? `held through ${name}`;
  }
  return undefined;
}

/** In this mount namespace; it may be mounted in another. proc_pid_mountinfo(5): the point is field 5, the source comes second behind `-`. */
async function mountOf(device: string): Promise<string | undefined> {
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    const fields = line.split(' ');
    const source = fields[fields.indexOf('-') + 2] ?? '';
    if (source === `/dev/${device}` || source.startsWith(`/dev/${device}p`)) return `mounted at ${fields[4]}`;
  }
  return undefined;
}
