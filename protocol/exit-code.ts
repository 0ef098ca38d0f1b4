/** The one place that says with which code our programs end. docs/cli.md tells the admin. */
import { type ErrorCode, errorTable, KnownError } from './errors.ts';

export const exitCodes = {
  done: 0,
  bug: 1,
  usage: 2,
  someHostsFailed: 3,
  daemonUnreachable: 10,
  conflict: 11,
  denied: 12,
  interrupted: 130,
  /** 128 + SIGPIPE: the reader of our output went away. */
  brokenPipe: 141,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Codes whose HTTP status does not say what they mean to a script. */
const exceptions: Partial<Record<ErrorCode, ExitCode>> = {
  DAEMON_UNREACHABLE: exitCodes.daemonUnreachable,
  INTERNAL: exitCodes.bug,
  ANSWER_UNREADABLE: exitCodes.bug,
  CONFIG_UNREADABLE: exitCodes.usage,
  CONFIG_UNKNOWN_KEY: exitCodes.usage,
  CONFIG_BAD_VALUE: exitCodes.usage,
  BOOT_SUBNET_MISSING: exitCodes.usage,
  HOST_DID_NOT_COME: exitCodes.someHostsFailed,
  HOSTS_NOT_AWAKE: exitCodes.someHostsFailed,
  HOST_LOST: exitCodes.someHostsFailed,
  CAST_FAILED: exitCodes.someHostsFailed,
  REPAIR_FAILED: exitCodes.someHostsFailed,
  AGENT_FAILED: exitCodes.someHostsFailed,
  VERIFY_FAILED: exitCodes.someHostsFailed,
  DISK_READ_FAILED: exitCodes.someHostsFailed,
  DISK_WRITE_FAILED: exitCodes.someHostsFailed,
  MAP_FAILED: exitCodes.someHostsFailed,
};

/** Anything that is not a KnownError is a bug. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof KnownError ? exitCodeOfCode(error.code) : exitCodes.bug;
}

/**
 * By HTTP status: 400 and 404 are usage (a wrong or unknown name), 401 and 403 denied; the rest (409, and what the machine
 * lacks: a program, a port, space) is a conflict that the admin resolves.
 */
export function exitCodeOfCode(code: ErrorCode): ExitCode {
  const exception = exceptions[code];
  if (exception !== undefined) return exception;
  const { status } = errorTable[code];
  if (status === 400 || status === 404) return exitCodes.usage;
  if (status === 401 || status === 403) return exitCodes.denied;
  return exitCodes.conflict;
}
