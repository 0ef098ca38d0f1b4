/** Errors about schedules and their runs. */
import type { ErrorTexts } from './error-text.ts';

export const scheduleErrors = {
  SCHEDULE_UNKNOWN: { status: 404, message: 'There is no schedule {schedule}', next: 'fleetcast schedule list' },
  SCHEDULE_EXISTS: {
    status: 409,
    message: 'There is already a schedule {schedule}',
    next: 'Choose another name, or: fleetcast schedule remove {schedule}',
  },
  SCHEDULE_INVALID: {
    status: 400,
    message: 'The schedule cannot be: {problem}',
    next: 'See: fleetcast schedule add --help',
  },
  SCHEDULE_RUNNING: {
    status: 409,
    message: 'A run of the schedule {schedule} has not ended',
    next: 'See it: fleetcast schedule history {schedule}   then wait, or cancel its session',
  },
  SCHEDULE_OVER: {
    status: 409,
    message: 'The only time of the schedule {schedule} has passed',
    next: 'Run it by hand: fleetcast schedule run {schedule}   or add another',
  },
  HOOK_MISSING: {
    status: 409,
    message: 'There is no hook {hook} in {folder}: {problem}',
    next: 'Put the program there, owned by root, executable, and writable by its owner alone',
  },
  WINDOW_CLOSED: {
    status: 409,
    message: '{host}: the window of the schedule {schedule} closed, and {what}',
    next: 'The next run takes it first; or at once: fleetcast schedule run {schedule}',
  },
} as const satisfies ErrorTexts;
