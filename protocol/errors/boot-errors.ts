/** Errors about the boot assets. */
import type { ErrorTexts } from './error-text.ts';

export const bootErrors = {
  BOOT_NO_MIRROR: {
    status: 500,
    message: 'No Debian mirror is named in {folder}',
    next: 'Name one: fleetcast boot build --mirror URL',
  },
  BOOT_NOT_READY: {
    status: 500,
    message: 'There are no boot assets in {folder}',
    next: 'Build them: fleetcast boot build',
  },
  BOOT_LOCK_DIFFERS: {
    status: 409,
    message: 'Debian packages are not those of the lock ({count} differ): {first}',
    next: 'Take what the mirror has: fleetcast boot build   or make it the lock: fleetcast boot build --update-lock',
  },
  BOOT_BUILD_FAILED: {
    status: 500,
    message: 'The boot assets cannot be built: {problem}',
    next: 'Try again with another mirror: fleetcast boot build --mirror URL',
  },
} as const satisfies ErrorTexts;
