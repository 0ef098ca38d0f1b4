/** ATA disks erase themselves: SECURITY ERASE UNIT (ATA/ATAPI Command Set, "Security feature set"), through hdparm(8). */
import { type Disk, describeDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { type Eraser, impossible } from './eraser.ts';

/** Set for the erase, which removes it again; a disk that loses power in between stays locked with it. */
export const ATA_PASSWORD = 'fleetcast';
/** Twice what the disk says, and this much more, in ms. */
const SPARE_MS = 600_000;

/** What `hdparm -I` says below "Security:". */
export interface AtaSecurity {
  readonly isSupported: boolean;
  readonly isEnabled: boolean;
  readonly isLocked: boolean;
  readonly isFrozen: boolean;
  /** How long an erase takes, by the disk's own word; absent: it does not say. */
  readonly minutes?: number;
}

/** Throws WIPE_IMPOSSIBLE, DISK_FROZEN, PROGRAM_MISSING, PROGRAM_FAILED. */
export async function ataEraser(disk: Disk): Promise<Eraser> {
  const { stdout } = await run(['hdparm', '-I', disk.path]);
  const security = readAtaSecurity(stdout);
  if (security?.isSupported !== true) throw impossible(disk, 'it does not have the ATA security feature set');
  if (security.isEnabled || security.isLocked) throw impossible(disk, 'a password is set on it');
  if (security.isFrozen) throw knownError('DISK_FROZEN', { disk: `${disk.path} ${describeDisk(disk)}` });
  const limitMs = (security.minutes ?? 12 * 60) * 2 * 60_000 + SPARE_MS;
  const erase = async () => {
    const hdparm = ['hdparm', '--user-master', 'u'];
    await run([...hdparm, '--security-set-pass', ATA_PASSWORD, disk.path]);
    await run([...hdparm, '--security-erase', ATA_PASSWORD, disk.path], { limitMs });
  };
  return { method: 'secure-erase', how: 'hdparm --security-erase', erase };
}

/** Pure. Each line is a claim, with `not` in front when it does not hold. Undefined: there is no such section. */
export function readAtaSecurity(output: string): AtaSecurity | undefined {
  const lines = output.split('\n');
  const from = lines.findIndex((line) => /^Security:\s*$/.test(line));
  if (from < 0) return undefined;
  const claims = new Set<string>();
  let minutes: number | undefined;
  for (const line of lines.slice(from + 1)) {
    // The next section begins at the left margin.
    if (/^\S/.test(line)) break;
    claims.add(line.trim().replaceAll(/\s+/g, ' '));
    const time = /(\d+)min for SECURITY ERASE UNIT/.exec(line);
    if (time !== null) minutes = Number(time[1]);
  }
  return {
    isSupported: claims.has('supported'),
    isEnabled: claims.has('enabled'),
    isLocked: claims.has('locked'),
    isFrozen: claims.has('frozen'),
    ...(minutes === undefined ? {} : { minutes }),
  };
}
