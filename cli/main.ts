/** The fleetcast command: reads the line, runs one command, turns what it throws into words and an exit code. */
import { randomBytes } from 'node:crypto';
import { KnownError, knownError } from '#protocol/errors.ts';
import { exitCodeOf, exitCodes } from '#protocol/exit-code.ts';
import { catchSignals, Interrupted } from './interrupt.ts';
import { makeCli } from './invocation.ts';
import { buildProgram, HelpShown } from './program.ts';
import { printable, Terminal } from './terminal.ts';

/** Returns the exit code. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const cli = makeCli(terminal);
  const program = buildProgram(cli);
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    if (error instanceof HelpShown) return exitCodes.done;
    tellError(error, terminal, argv.includes('--json'));
    return error instanceof Interrupted ? exitCodes.interrupted : exitCodeOf(error);
  }
}

function tellError(error: unknown, terminal: Terminal, isJson: boolean): void {
  if (error instanceof Interrupted) {
    terminal.errorLine(isJson ? JSON.stringify({ interrupted: error.message }) : error.message);
    return;
  }
  const known = error instanceof KnownError ? error : bugError(error, terminal);
  if (isJson) {
    terminal.errorLine(JSON.stringify({ error: known.toBody() }));
    return;
  }
  terminal.errorLine(`fleetcast: ${printable(known.message)}`);
  terminal.errorLine(`  Next: ${printable(known.next)}`);
}

/** A bug of the CLI itself: its stack goes to stderr under the id that the message names. */
function bugError(error: unknown, terminal: Terminal): KnownError {
  const logId = randomBytes(4).toString('hex');
  terminal.errorLine(`${logId}: ${error instanceof Error ? error.stack : String(error)}`);
  return knownError('INTERNAL', { logId }, { cause: error });
}

if (import.meta.main) {
  catchSignals();
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(exitCodes.brokenPipe);
      throw error;
    });
  }
  process.exitCode = await main(process.argv.slice(2), new Terminal(process, process.env));
}
