/** The id of a session as an argument. */
import type { Command } from 'commander';
import { pathOf } from './invocation.ts';
import { usageError } from './usage-error.ts';

/** Throws USAGE. */
export function parseSessionId(text: string, command: Command): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw usageError(`${text} is not the id of a session, a number`, pathOf(command));
  return Number(text);
}
