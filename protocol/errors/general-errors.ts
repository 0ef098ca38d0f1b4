/** Errors about what any command or call may meet: how it was asked, who asked, what it runs. */
import type { ErrorTexts } from './error-text.ts';

export const generalErrors = {
  USAGE: { status: 400, message: '{problem}', next: 'See: fleetcast {command} --help' },
  INVALID_REQUEST: {
    status: 400,
    message: 'The request is not valid: {problem}',
    next: 'See the API document: fleetcast openapi',
  },
  NAME_INVALID: {
    status: 400,
    message: '{name} is not a valid {what} name',
    next: 'Use 1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
  },
  NOT_FOUND: { status: 404, message: 'There is no {method} {path}', next: 'See the API document: fleetcast openapi' },
  INTERNAL: {
    status: 500,
    message: 'A bug in fleetcast, log id {logId}',
    next: 'Look for {logId} in the log of the daemon and report it',
  },
  DAEMON_UNREACHABLE: {
    status: 503,
    message: 'No daemon answers on {socket}: {reason}',
    next: 'Start it: fleetcast serve   (or name its socket: --socket PATH)',
  },
  ANSWER_UNREADABLE: {
    status: 502,
    message: 'The daemon on {socket} gave an answer that this fleetcast does not understand: {problem}',
    next: 'Restart the daemon, so that both are of the same version; compare: fleetcast --version, fleetcast status',
  },
  FOLDER_UNUSABLE: {
    status: 500,
    message: 'The folder {path} cannot be used: {reason}',
    next: 'Put that right (permission: run it as root), or name another folder: {setting}',
  },
  DENIED: {
    status: 403,
    message: 'Not allowed: {reason}',
    next: 'Run the command as root or as a member of the group that owns the socket',
  },
  TOKEN_REFUSED: {
    status: 401,
    message: 'The token is not valid: {reason}',
    next: 'Boot the host again from the network',
  },
  NOT_ROOT: { status: 403, message: '{what} needs root', next: 'Run it again as root' },
  PROGRAM_MISSING: {
    status: 500,
    message: 'The program {program} is not installed',
    next: 'apt-get install {package}',
  },
  PROGRAM_FAILED: { status: 500, message: '{program} failed ({outcome}): {stderr}', next: 'Try it by hand: {command}' },
} as const satisfies ErrorTexts;
