/** Runs a program to its end: arguments as an array, bounded in time, its last words in the error. */
import { execa } from 'execa';
import { KnownError, knownError } from '#protocol/errors.ts';

export interface RunOptions {
  /** Milliseconds until the program is ended. */
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
  readonly input?: string | Uint8Array;
  /** Exit codes that are not a failure. Default: 0. */
  readonly okCodes?: readonly number[];
  readonly cwd?: string;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Debian package of each program that is not always there. */
const packageOf: Readonly<Record<string, string>> = {
  'udp-sender': 'udpcast',
  'udp-receiver': 'udpcast',
  sfdisk: 'fdisk',
  sgdisk: 'gdisk',
  zstd: 'zstd',
  b3sum: 'b3sum',
  blkid: 'util-linux',
  losetup: 'mount',
  lsblk: 'util-linux',
  blkdiscard: 'util-linux',
  nvme: 'nvme-cli',
  ip: 'iproute2',
  tc: 'iproute2',
};

/** Throws PROGRAM_MISSING or PROGRAM_FAILED. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = argv as [string, ...string[]];
  const result = await execa(program, args, {
    reject: false,
    timeout: options.limitMs ?? 60_000,
    forceKillAfterDelay: 2000,
    stripFinalNewline: false,
    env: { LC_ALL: 'C', PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
    ...(options.signal ? { cancelSignal: options.signal } : {}),
    ...(options.input !== undefined ? { input: options.input } : { stdin: 'ignore' }),
    ...(options.cwd !== undefined ? { cwd: options.cwd } : {}),
  });
  if (result.code === 'ENOENT') {
    throw knownError('PROGRAM_MISSING', { program, package: packageFor(program) }, { cause: result });
  }
  options.signal?.throwIfAborted();
  const exitCode = result.exitCode ?? -1;
  if (!(options.okCodes ?? [0]).includes(exitCode)) {
    throw programFailed(argv, describeEnd(result), result.stderr as string, result);
  }
  return { stdout: result.stdout as string, stderr: result.stderr as string, exitCode };
}

/** How a program was ended from outside, so that its PROGRAM_FAILED says nothing about what it worked on; undefined: it ended by itself. */
export function howEnded(error: unknown): string | undefined {
  if (!(error instanceof KnownError) || error.code !== 'PROGRAM_FAILED') return undefined;
  const { signal, timedOut = false } = (error.cause ?? {}) as { signal?: string; timedOut?: boolean };
  return timedOut || signal !== undefined
    ? describeEnd({ ...(signal === undefined ? {} : { signal }), timedOut })
    : undefined;
}

/** The error of a program that ended badly; keeps the last lines of its stderr. */
export function programFailed(argv: readonly string[], outcome: string, stderr: string, cause?: unknown): Error {
  const lastLines = stderr
    .trim()
    .split(/[\r\n]+/)
    .slice(-3)
    .join(' | ');
  return knownError(
    'PROGRAM_FAILED',
    { program: argv[0] ?? '', outcome, stderr: lastLines || 'it printed nothing', command: argv.join(' ') },
    { cause },
  );
}

/** The Debian package that has the program. */
export function packageFor(program: string): string {
  return packageOf[program] ?? (program.startsWith('partclone') ? 'partclone' : program);
}

function describeEnd(result: { exitCode?: number; signal?: string; timedOut: boolean }): string {
  if (result.timedOut) return 'it took too long';
  return result.signal ? `signal ${result.signal}` : `exit code ${result.exitCode ?? 'none'}`;
}
