/** Errors about finishers. */
import type { ErrorTexts } from './error-text.ts';

export const finisherErrors = {
  FINISHER_UNKNOWN: { status: 404, message: 'There is no finisher {finisher}', next: 'fleetcast finisher list' },
  FINISHER_EXISTS: {
    status: 409,
    message: 'There is already a finisher {finisher}',
    next: 'Choose another name, or first: fleetcast finisher remove {finisher}',
  },
  FINISHER_INVALID: {
    status: 400,
    message: '{finisher} is not a finisher: {problem}',
    next: 'See: fleetcast finisher add --help',
  },
  FINISHER_BUILT_IN: {
    status: 409,
    message: 'The finisher {finisher} is built in',
    next: 'Leave it out: fleetcast deploy … --finishers A,B   or none: --finishers none',
  },
  FINISHER_IN_USE: {
    status: 409,
    message: 'The finisher {finisher} is in use by {user}',
    next: 'Wait for the session, or choose others: fleetcast group set GROUP --finishers …   fleetcast image set IMAGE --finishers …',
  },
  FINISHERS_AMBIGUOUS: {
    status: 409,
    message: '{host} is in groups that choose different finishers: {groups}',
    next: 'Name them: fleetcast deploy … --finishers A,B',
  },
  FINISHER_DAMAGED: {
    status: 500,
    message: 'The file of the finisher {finisher} is gone or not what was uploaded',
    next: 'Add it again: fleetcast finisher remove {finisher}   fleetcast finisher add {finisher} FILE',
  },
  FINISHER_FAILED: {
    status: 500,
    message: '{host}: the finisher {finisher} failed: {reason}',
    next: 'Put it right, or leave it out (--finishers …), and deploy again: the disk has no partition table now and does not boot',
  },
  TEMPLATE_INVALID: {
    status: 400,
    message: '{where} has {placeholder}, which is no placeholder',
    next: 'Placeholders are {{hostname}}, {{serial}}, {{mac}}, {{n}} and {{n:3}} (three digits)',
  },
} as const satisfies ErrorTexts;
