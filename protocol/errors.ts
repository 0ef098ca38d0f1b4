/**
 * Every foreseen error: what the admin reads, and the one action that helps. Each area has its table in errors/.
 * The same text goes to the CLI, the API and the audit log. docs/errors.md lists them; a test compares the two.
 */
import { bootErrors } from './errors/boot-errors.ts';
import { daemonErrors } from './errors/daemon-errors.ts';
import { diskErrors } from './errors/disk-errors.ts';
import { finisherErrors } from './errors/finisher-errors.ts';
import { fitErrors } from './errors/fit-errors.ts';
import { generalErrors } from './errors/general-errors.ts';
import { hostErrors } from './errors/host-errors.ts';
import { imageErrors } from './errors/image-errors.ts';
import { scheduleErrors } from './errors/schedule-errors.ts';
import { secretErrors } from './errors/secret-errors.ts';
import { sessionErrors } from './errors/session-errors.ts';

export const errorTable = {
  ...generalErrors,
  ...daemonErrors,
  ...hostErrors,
  ...secretErrors,
  ...finisherErrors,
  ...imageErrors,
  ...diskErrors,
  ...fitErrors,
  ...sessionErrors,
  ...scheduleErrors,
  ...bootErrors,
};

export type ErrorCode = keyof typeof errorTable;

/** The shape of an error on the wire (API answers, task rows, events). */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
}

/** A foreseen error. `message` and `next` are filled in; `status` is the HTTP status. */
export class KnownError extends Error {
  readonly code: ErrorCode;
  readonly next: string;
  readonly status: number;

  constructor(body: ErrorBody, options?: ErrorOptions) {
    super(body.message, options);
    this.name = 'KnownError';
    this.code = body.code;
    this.next = body.next;
    this.status = errorTable[body.code].status;
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, next: this.next };
  }
}

/** Makes a KnownError from the table. A value that the text needs and that is absent stays visible as `{name}`. */
export function knownError(
  code: ErrorCode,
  values: Readonly<Record<string, string | number>> = {},
  options?: ErrorOptions,
): KnownError {
  const { message, next } = errorTable[code];
  return new KnownError({ code, message: fill(message, values), next: fill(next, values) }, options);
}

/** Reads an error that came over the wire; undefined when it is not one of ours. */
export function readErrorBody(value: unknown): KnownError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { code, message, next } = value as Record<string, unknown>;
  if (typeof code !== 'string' || typeof message !== 'string' || typeof next !== 'string') return undefined;
  return code in errorTable ? new KnownError({ code: code as ErrorCode, message, next }) : undefined;
}

function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}
