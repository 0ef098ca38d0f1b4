/** The question before something is lost. */
import { createInterface } from 'node:readline';
import { Interrupted, onInterrupt } from './interrupt.ts';
import type { Terminal } from './terminal.ts';
import { usageError } from './usage-error.ts';

/** Throws USAGE when nobody can be asked and `--yes` was not given. Ask it before any work is done. */
export function requireAnswerer(o: {
  terminal: Terminal;
  isYes: boolean;
  isJson: boolean;
  what: string;
  command: string;
}): void {
  if (o.isYes || (o.terminal.canAsk && !o.isJson)) return;
  const because = o.isJson ? 'with --json nobody is asked' : 'there is no terminal to ask at';
  throw usageError(`${o.what} must be confirmed, and ${because}: give --yes`, o.command);
}

/** Asks on stderr; only the word `yes` is yes. Ctrl-C, Ctrl-D and every other answer throw Interrupted with `farewell`. */
export async function confirm(terminal: Terminal, question: string, farewell: string): Promise<void> {
  const answer = await ask(terminal, `${question} Type yes: `);
  if (answer?.trim().toLowerCase() !== 'yes') throw new Interrupted(farewell);
}

/** One line from the keyboard; undefined when the admin broke off. */
function ask(terminal: Terminal, prompt: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: terminal.stdin, output: terminal.errorStream, terminal: true });
    let answer: string | undefined;
    const giveBack = onInterrupt(() => lines.close());
    lines.on('SIGINT', () => lines.close());
    lines.on('close', () => {
      giveBack();
      if (answer === undefined) terminal.error('\n');
      resolve(answer);
    });
    lines.question(prompt, (line) => {
      answer = line;
      lines.close();
    });
  });
}
