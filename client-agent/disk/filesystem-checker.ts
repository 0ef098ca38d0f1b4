/** The program of each filesystem that says whether it is sound and writes nothing. */
import { KnownError } from '#protocol/errors.ts';
import { howEnded, run } from '#system/run.ts';

/** The checker found nothing wrong; or it found damage, in its words; or it did not say anything, and why. */
export type Checked = { readonly check: 'clean' } | { readonly damage: string } | { readonly why: string };

/** What checkers say as they go, and about themselves: e2fsck 1.47, xfs_repair 6.13, btrfs 6.14. */
const chatter =
  /^(e2fsck \d|Pass \d|Phase \d|- |\[\d\/\d\]|No modify flag|Opening filesystem|Checking filesystem|UUID: |Cannot get host|Repair may fail|the image and the host)/;
/** When memory runs out (a checker may want gigabytes), the kernel ends the checker and not the agent: choom(1). */
const FIRST_TO_GO = ['choom', '-n', '1000', '--'];
/** By choom(1), for a program that it does not find. */
const NOT_STARTED = 127;
const MOST_LINES = 2;
const MOST_CHARACTERS = 300;

const ext = (device: string) => ['e2fsck', '-f', '-n', device];

const checkers: Readonly<Record<string, (device: string) => readonly string[]>> = {
  ext2: ext,
  ext3: ext,
  ext4: ext,
  ntfs: (device) => ['ntfsresize', '--info', '--force', '--no-progress-bar', device],
  xfs: (device) => ['xfs_repair', '-n', device],
  btrfs: (device) => ['btrfs', 'check', '--readonly', device],
  f2fs: (device) => ['fsck.f2fs', '--dry-run', device],
};

/** Its exit code is 0 when all is well. Undefined: there is none for that filesystem. */
export function checkerOf(filesystem: string): ((device: string) => readonly string[]) | undefined {
  return checkers[filesystem];
}

/** Checks a filesystem, for `limitMs` at most; writes nothing. Throws PROGRAM_MISSING, AbortError. */
export async function checkFilesystem(
  filesystem: string,
  device: string,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<Checked> {
  const argv = checkerOf(filesystem)?.(device);
  if (argv === undefined) return { why: `there is no checker for ${filesystem}` };
  const [program] = argv;
  if (limitMs <= 0) return { why: `no time was left for ${program}` };
  try {
    await run([...FIRST_TO_GO, ...argv], { limitMs, signal });
    return { check: 'clean' };
  } catch (error) {
    if (!(error instanceof KnownError) || error.code !== 'PROGRAM_FAILED') throw error;
    // Whoever is cut short, by us or by a kernel without memory, has not said that anything is wrong.
    const how = howEnded(error);
    if (how !== undefined) return { why: `${program} did not come to its end: ${how}` };
    const { stdout, stderr, exitCode } = error.cause as { stdout: string; stderr: string; exitCode: number };
    if (exitCode === NOT_STARTED) return { why: `there is no ${program} here` };
    return { damage: `${program}: ${complaintIn(stdout, stderr)}` };
  }
}

/** The first complaints in what a checker printed. Pure. */
export function complaintIn(stdout: string, stderr: string): string {
  const lines = `${stdout}\n${stderr}`.split(/[\r\n]+/).map((line) => line.trim());
  const complaints = lines.filter((line) => line !== '' && !chatter.test(line)).slice(0, MOST_LINES);
  return complaints.join(' | ').slice(0, MOST_CHARACTERS) || 'it does not say what is wrong';
}
