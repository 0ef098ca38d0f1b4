/**
 * Makes a filesystem as large as the place that it lies in, and lets the filesystem's own checker say whether it is sound. It
 * works on a loop device over that place: the disk's table does not say so yet (docs/decisions/0002-label-last.md).
 */
import type { Disk } from '#protocol/disk.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { checkerOf } from './filesystem-checker.ts';
import { withLoopDevice } from './loop-device.ts';
import { whileMounted } from './mount.ts';

/** A program and its exit codes that are no failure. */
interface Call {
  readonly argv: readonly string[];
  readonly okCodes?: readonly number[];
}

/** A filesystem and the place that it is to fill. */
export interface GrowPlace {
  readonly filesystem: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** For the admin: the number of its partition, or a logical volume. */
  readonly where: string | number;
}

interface Recipe {
  /** Calls on the device, in order. */
  readonly before?: (device: string) => readonly Call[];
  readonly grow: (target: string) => Call;
  readonly after?: (device: string) => readonly Call[];
  /** The program grows only what is mounted; options of mount(8). */
  readonly mount?: string;
}

/** Checking a filesystem of several TB takes long, and a resize that is broken off is damage. */
const LIMIT_MS = 2 * 3600_000;

const ext: Recipe = {
  // resize2fs(8) wants a filesystem that was checked since it was last used. 1: something small was put right.
  before: (device) => [{ argv: ['e2fsck', '-f', '-p', device], okCodes: [0, 1] }],
  grow: (device) => ({ argv: ['resize2fs', device] }),
};

const recipes: Readonly<Record<string, Recipe>> = {
  ext2: ext,
  ext3: ext,
  ext4: ext,
  ntfs: {
    // Twice: asks nothing.
    grow: (device) => ({ argv: ['ntfsresize', '--force', '--force', '--no-progress-bar', device] }),
    // ntfsresize(8) leaves the mark that makes Windows check the volume at its next start, and others refuse it till then.
    after: (device) => [{ argv: ['ntfsfix', '--clear-dirty', device] }],
  },
  xfs: {
    mount: 'nouuid',
    grow: (folder) => ({ argv: ['xfs_growfs', folder] }),
  },
  btrfs: {
    mount: 'noatime',
    grow: (folder) => ({ argv: ['btrfs', 'filesystem', 'resize', 'max', folder] }),
  },
  f2fs: {
    grow: (device) => ({ argv: ['resize.f2fs', device] }),
  },
};

/**
 * Grows a filesystem over its new place. May be repeated: one that fills its place already is only checked.
 * Throws GROW_FAILED (with `{host}` left open), after which the filesystem is not to be trusted; PROGRAM_MISSING.
 */
export async function growFilesystem(disk: Pick<Disk, 'path' | 'sectorBytes'>, place: GrowPlace): Promise<void> {
  const { filesystem, startBytes, sizeBytes, where } = place;
  const recipe = recipes[filesystem];
  const failed = (reason: string, cause?: unknown) =>
    knownError('GROW_FAILED', { filesystem, where, reason }, { cause });
  const checker = checkerOf(filesystem);
  if (recipe === undefined || checker === undefined) throw failed('no program for it');
  const span = { path: disk.path, startBytes, sizeBytes, sectorBytes: disk.sectorBytes, mode: 'write' as const };
  try {
    await withLoopDevice(span, async (device) => {
      for (const call of recipe.before?.(device) ?? []) await perform(call);
      if (recipe.mount === undefined) await perform(recipe.grow(device));
      else await whileMounted(device, filesystem, recipe.mount, (folder) => perform(recipe.grow(folder)));
      for (const call of recipe.after?.(device) ?? []) await perform(call);
      await perform({ argv: checker(device) });
    });
  } catch (error) {
    if (error instanceof KnownError && error.code === 'PROGRAM_FAILED') throw failed(error.message, error);
    throw error;
  }
}

async function perform({ argv, okCodes }: Call): Promise<void> {
  await run(argv, { limitMs: LIMIT_MS, ...(okCodes === undefined ? {} : { okCodes }) });
}
