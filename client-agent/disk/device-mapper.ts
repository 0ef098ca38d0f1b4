/** Devices of the device-mapper (dmsetup(8)). */
import { run } from '#system/run.ts';

export const DM_SECTOR_BYTES = 512;
/** The agent image has no udev: nobody would answer. */
const WITHOUT_UDEV = ['--noudevsync', '--noudevrules'];

let made = 0;

/** A name that no other device of this machine has. */
export function newDeviceName(what: string): string {
  made++;
  return `fleetcast-${what}-${process.pid}-${made}`;
}

/** Makes a device; answers its node. Throws PROGRAM_FAILED (no device-mapper in this kernel), PROGRAM_MISSING. */
export async function createDevice(name: string, table: string, mode: 'read' | 'write'): Promise<string> {
  const readOnly = mode === 'read' ? ['--readonly'] : [];
  await run(['dmsetup', 'create', name, ...readOnly, ...WITHOUT_UDEV], { input: table });
  try {
    return await nodeOf(name);
  } catch (error) {
    await removeDevice(name);
    throw error;
  }
}

/** The kernel's own node: without udev only that one is sure to be there. Throws PROGRAM_FAILED. */
export async function nodeOf(name: string): Promise<string> {
  const { stdout } = await run(['dmsetup', 'info', '-c', '--noheadings', '-o', 'blkdevname', name]);
  return `/dev/${stdout.trim()}`;
}

/** Throws PROGRAM_FAILED while it is in use. */
export async function removeDevice(name: string): Promise<void> {
  await run(['dmsetup', 'remove', '--retry', ...WITHOUT_UDEV, name]);
}
