/** A filesystem mounted for as long as something is done with it. */
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '#system/run.ts';

/** Writing out what is dirty in a large memory takes a while. */
const LIMIT_MS = 3600_000;

/** Runs `use` with the folder that the device is mounted on. Throws PROGRAM_FAILED (also when mount is not allowed to). */
export async function whileMounted(
  device: string,
  filesystem: string,
  options: string,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-mount-'));
  try {
    await whileMountedAt(device, filesystem, options, folder, () => use(folder));
  } finally {
    await rmdir(folder);
  }
}

/** The same on a folder that is there. */
export async function whileMountedAt(
  device: string,
  filesystem: string,
  options: string,
  folder: string,
  use: () => Promise<void>,
): Promise<void> {
  await run(['mount', '-t', filesystem, '-o', options, device, folder], { limitMs: LIMIT_MS });
  try {
    await use();
  } finally {
    await run(['umount', folder], { limitMs: LIMIT_MS });
  }
}
