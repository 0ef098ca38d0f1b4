/** The boot assets of this tree, for labs: built when the recipe, the agent or the packages have changed, and kept between runs. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '#pxe-assets/build.ts';
import { takeLock } from './file-lock.ts';

const ROOT = join(import.meta.dirname, '..');

/** Unpacked Debian packages, for all trees: they are not changed once they are there. */
export const BOOT_PACKAGES = join(tmpdir(), 'fleetcast-boot-packages');

/** Outside of the tree; each tree has its own, so that two of them do not build in turns. */
function cacheFolder(): string {
  return join(tmpdir(), `fleetcast-boot-cache-${createHash('sha256').update(ROOT).digest('hex').slice(0, 8)}`);
}

/** Folder of the boot assets, up to date. `say` is told each step of a build. About a minute when it has to build. Throws PROGRAM_FAILED. */
export async function readyBootAssets(say: (line: string) => void): Promise<string> {
  const out = cacheFolder();
  const letGo = await takeLock(`${out}.lock`);
  try {
    await build({ out, cache: BOOT_PACKAGES, mirror: undefined, nonFreeFirmware: false, force: false, say });
    return out;
  } finally {
    await letGo();
  }
}
