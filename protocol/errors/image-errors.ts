/** Errors about images, and the store that holds them. */
import type { ErrorTexts } from './error-text.ts';

export const imageErrors = {
  IMAGE_UNKNOWN: { status: 404, message: 'There is no image {image}', next: 'fleetcast image list' },
  IMAGE_EXISTS: { status: 409, message: 'There is already an image {image}', next: 'Choose another name' },
  VERSION_UNKNOWN: {
    status: 404,
    message: 'Image {image} has no version {version}',
    next: 'fleetcast image show {image}',
  },
  IMAGE_IN_USE: {
    status: 409,
    message: 'Image {image} is used by session {session}',
    next: 'Wait for it, or: fleetcast session cancel {session}',
  },
  IMAGE_DAMAGED: {
    status: 409,
    message: 'Image {image} has {count} damaged or missing chunks',
    next: 'fleetcast image verify {image} names them; capture the image again to put them back',
  },
  IMAGE_FILE_DAMAGED: {
    status: 409,
    message: 'The image file {path} is damaged: {problem}',
    next: 'Put the file back from a copy, or mend it (docs/formats/image-file.md), and start the daemon again',
  },
  MANIFEST_NEWER: {
    status: 409,
    message: 'The manifest has format version {found}, this fleetcast reads up to {known}',
    next: 'Update fleetcast on this machine',
  },
  MANIFEST_CORRUPT: {
    status: 409,
    message: 'The manifest {manifest} is damaged: {problem}',
    next: 'Capture the image again, or put the file back from a copy',
  },
  CHUNK_CORRUPT: {
    status: 500,
    message: 'Chunk {chunk} in pack {pack} is damaged: {problem}',
    next: 'fleetcast image verify; capture the image again to put the chunk back',
  },
  CHUNK_MISSING: {
    status: 500,
    message: 'Chunk {chunk} is not in the store',
    next: 'fleetcast image verify; capture the image again to put the chunk back',
  },
  PACK_CORRUPT: { status: 500, message: 'Pack {pack} is damaged: {problem}', next: 'fleetcast image verify' },
  STORE_FULL: {
    status: 507,
    message: 'The disk of the store {path} is full ({freeBytes} bytes free)',
    next: 'fleetcast image remove and fleetcast image prune free space',
  },
  STORE_BUSY: {
    status: 409,
    message: 'The store cannot be pruned while session {session} runs',
    next: 'Wait for it, or: fleetcast session cancel {session}',
  },
  STORE_VERIFYING: {
    status: 409,
    message: 'The store cannot be pruned while it is being verified',
    next: 'Wait for the verifying to end, or interrupt it',
  },
  STORE_FITTING: {
    status: 409,
    message: 'The store cannot be pruned while an image is being fitted',
    next: 'Wait for the fitting to end, or interrupt it',
  },
  STORE_PRUNING: { status: 409, message: 'The store is being pruned', next: 'Try again in a minute' },
  STREAM_CORRUPT: {
    status: 400,
    message: 'The stream is damaged at byte {offset}: {problem}',
    next: 'The sender tries again by itself; if it stays, check the network card',
  },
} as const satisfies ErrorTexts;
