/** What the admin typed cannot be meant: USAGE, exit code 2. */
import { KnownError, knownError } from '#protocol/errors.ts';

/** `command` is the path below fleetcast (`host add`), empty for fleetcast itself. */
export function usageError(problem: string, command: string): KnownError {
  const { code, message, next } = knownError('USAGE', { problem, command });
  return new KnownError({ code, message, next: next.replace('  ', ' ') });
}
