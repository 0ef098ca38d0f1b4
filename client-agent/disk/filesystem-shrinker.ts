/**
 * Makes the filesystem in a file smaller, and the file with it. Only ever used on a copy: the source of an image is not written.
 * Its own checker must find it clean before and after.
 */
import { truncate } from 'node:fs/promises';
import { KnownError, knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { withLoopDevice } from './loop-device.ts';
import { whileMounted } from './mount.ts';

/** Moving the data of a filesystem of several TB takes hours. */
const LIMIT_MS = 24 * 3600_000;

interface Shrinker {
  /** The least size that its program would take, in bytes; undefined when only trying tells. */
  least(file: string): Promise<number | undefined>;
  shrink(file: string, fromBytes: number, toBytes: number): Promise<void>;
  /** On the file, which is as long as the filesystem now. */
  check(file: string): Promise<void>;
}

const limited = { limitMs: LIMIT_MS };

const ext: Shrinker = {
  async least(file) {
    await run(['e2fsck', '-f', '-p', file], { ...limited, okCodes: [0, 1] });
    const { stdout } = await run(['resize2fs', '-P', file], limited);
    const blocks = Number(/: (\d+)\s*$/.exec(stdout)?.[1]);
    const header = (await run(['dumpe2fs', '-h', file], limited)).stdout;
    return blocks * Number(/^Block size:\s+(\d+)/m.exec(header)?.[1]);
  },
  async shrink(file, _fromBytes, toBytes) {
    await run(['resize2fs', file, `${toBytes / 1024}K`], limited);
  },
  async check(file) {
    await run(['e2fsck', '-f', '-n', file], limited);
  },
};

const ntfs: Shrinker = {
  async least(file) {
    const { stdout } = await run(['ntfsresize', '--info', '--force', '--no-progress-bar', file], limited);
    const bytes = /You might resize at (\d+) bytes/.exec(stdout)?.[1];
    return bytes === undefined ? undefined : Number(bytes);
  },
  async shrink(file, _fromBytes, toBytes) {
    const argv = ['ntfsresize', '--force', '--force', '--no-progress-bar', '--size', String(toBytes), file];
    await run(argv, limited);
  },
  async check(file) {
    await run(['ntfsfix', '--clear-dirty', file], limited);
    await run(['ntfsresize', '--info', '--force', '--no-progress-bar', file], limited);
  },
};

const btrfs: Shrinker = {
  async least() {
    return undefined;
  },
  async shrink(file, fromBytes, toBytes) {
    const span = { path: file, startBytes: 0, sizeBytes: fromBytes, sectorBytes: 512, mode: 'write' as const };
    await withLoopDevice(span, (device) =>
      whileMounted(device, 'btrfs', 'noatime', async (folder) => {
        await run(['btrfs', 'filesystem', 'resize', String(toBytes), folder], limited);
      }),
    );
  },
  async check(file) {
    await run(['btrfs', 'check', '--readonly', file], limited);
  },
};

const shrinkers: Readonly<Record<string, Shrinker>> = { ext2: ext, ext3: ext, ext4: ext, ntfs, btrfs };

/** Its program needs more room than it was to have; `leastBytes` is the least that it takes. */
export class TooSmallError extends Error {
  readonly leastBytes: number;

  constructor(leastBytes: number) {
    super(`it needs ${leastBytes} bytes`);
    this.leastBytes = leastBytes;
  }
}

/** Throws TooSmallError, SHRINK_FAILED, PROGRAM_MISSING. */
export async function shrinkFilesystem(
  file: string,
  filesystem: string,
  fromBytes: number,
  toBytes: number,
): Promise<void> {
  const shrinker = shrinkers[filesystem];
  const failed = (reason: string, cause?: unknown) => knownError('SHRINK_FAILED', { filesystem, reason }, { cause });
  if (shrinker === undefined) throw failed('there is no program for it');
  try {
    const leastBytes = await shrinker.least(file);
    if (leastBytes !== undefined && leastBytes > toBytes) throw new TooSmallError(leastBytes);
    await shrinker.shrink(file, fromBytes, toBytes);
    await truncate(file, toBytes);
    await shrinker.check(file);
  } catch (error) {
    if (error instanceof KnownError && error.code === 'PROGRAM_FAILED') throw failed(error.message, error);
    throw error;
  }
}
