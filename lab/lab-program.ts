/** How a program of the lab ends: with the exit codes of the CLI, and with an error that says what to do. */
import { KnownError } from '#protocol/errors.ts';

const EXIT_BUG = 1;
const EXIT_USAGE = 2;
const EXIT_DENIED = 12;

/** A mistake on the command line, or a lab or machine that is not there. */
export class LabUsageError extends Error {}

/** Runs a program's main function and sets the exit code. `usage`: the line to show for a mistake on the command line. */
export async function runLabProgram(usage: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    if (process.exitCode === EXIT_USAGE) console.error(`${(error as Error).message}\n  Next: ${usage}`);
    else if (error instanceof KnownError) console.error(`${error.code}: ${error.message}\n  Next: ${error.next}`);
    else throw error;
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof KnownError) return error.code === 'NOT_ROOT' ? EXIT_DENIED : EXIT_BUG;
  const { code } = error as { code?: unknown };
  const isParseArgs = typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS_');
  return error instanceof LabUsageError || isParseArgs ? EXIT_USAGE : EXIT_BUG;
}
