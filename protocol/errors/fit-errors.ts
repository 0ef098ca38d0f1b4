/** Errors about laying an image on a disk of another size. */
import type { ErrorTexts } from './error-text.ts';

export const fitErrors = {
  DISK_TOO_SMALL: {
    status: 409,
    message: '{host}: the disk {disk} has {haveBytes} bytes, the image needs {needBytes}',
    next: 'Choose a larger disk: --disk …',
  },
  IMAGE_NEEDS_FIT: {
    status: 409,
    message:
      '{host}: the disk {disk} has {haveBytes} bytes, the image as it is needs {needBytes}; made smaller, it fits',
    next: 'fleetcast image fit {image}@{version} --to {to}   then deploy the image that it makes',
  },
  FIT_IMPOSSIBLE: {
    status: 409,
    message: '{host}: the disk {disk} has {haveBytes} bytes, the image needs at least {needBytes}: {why}',
    next: 'Choose a larger disk: --disk …   or capture the image from a smaller one',
  },
  SHRINK_IMPOSSIBLE: {
    status: 409,
    message: 'The image {image}{which} cannot be made to fit {toBytes} bytes; the least is {needBytes}: {why}',
    next: 'Fit it to a larger disk: fleetcast image fit {image} --to {to}',
  },
  SHRINK_NEEDLESS: {
    status: 409,
    message: 'The image {image} fits a disk of {toBytes} bytes as it is',
    next: 'Deploy it: fleetcast deploy {image}',
  },
  SHRINK_FAILED: {
    status: 500,
    message: 'The {filesystem} could not be made smaller: {reason}',
    next: 'Check the filesystem on the machine that was captured, and capture it again',
  },
  FIT_NO_ROOM: {
    status: 507,
    message: 'Fitting needs {needBytes} bytes for a copy in {path}, where {freeBytes} are free',
    next: 'Make room there: fleetcast image prune   or remove other files',
  },
  GROW_IMPOSSIBLE: {
    status: 409,
    message: '{what} of {image} cannot grow: {why}',
    next: 'See its partitions: fleetcast image show {image}   then choose another: --grow P, --grow GROUP/VOLUME, or --grow last',
  },
  GROW_FAILED: {
    status: 500,
    message: '{host}: the {filesystem} of partition {where} could not be made larger: {reason}',
    next: 'Deploy without --grow; check the filesystem on the machine that was captured, and capture it again',
  },
} as const satisfies ErrorTexts;
