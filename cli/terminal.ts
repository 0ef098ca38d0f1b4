/** The streams of the CLI and what they can do. The only file of cli/ that reads the environment. */
import type { ReadStream, WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { statedUser } from './user.ts';

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'dim' | 'bold';

const codes: Record<Exclude<Tone, 'plain'>, [number, number]> = {
  good: [32, 39],
  warn: [33, 39],
  bad: [31, 39],
  dim: [2, 22],
  bold: [1, 22],
};

export class Terminal {
  readonly stdin: ReadStream;
  readonly #stdout: WriteStream;
  readonly #stderr: WriteStream;
  /** stdout understands colour: a terminal, no NO_COLOR (no-color.org), TERM not dumb. */
  readonly hasColour: boolean;
  readonly canRedraw: boolean;
  /** Who sits at it. */
  readonly user: string;

  constructor(
    streams: { stdin: ReadStream; stdout: WriteStream; stderr: WriteStream },
    environment: NodeJS.ProcessEnv,
  ) {
    this.stdin = streams.stdin;
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
    const isTerminal = Boolean(streams.stdout.isTTY);
    this.canRedraw = isTerminal && environment.TERM !== 'dumb';
    this.hasColour = this.canRedraw && !environment.NO_COLOR;
    this.user = statedUser(environment.SUDO_USER);
  }

  /** Somebody can answer a question: keyboard on stdin, and stderr (where questions go) is seen. */
  get canAsk(): boolean {
    return Boolean(this.stdin.isTTY) && Boolean(this.#stderr.isTTY);
  }
  get isErrorTerminal(): boolean {
    return Boolean(this.#stderr.isTTY);
  }
  /** Columns of stdout; 80 where the terminal does not say (a serial console). */
  get width(): number {
    return this.#stdout.columns || 80;
  }
  get height(): number {
    return this.#stdout.rows || 24;
  }

  /** Results: what a script reads. */
  out(text: string): void {
    this.#stdout.write(text);
  }
  outLine(text: string): void {
    this.#stdout.write(`${text}\n`);
  }
  /** One value, one line of JSON. */
  outJson(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value)}\n`);
  }
  /** Errors, questions, notices: what a person reads. */
  error(text: string): void {
    this.#stderr.write(text);
  }
  errorLine(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  paint(text: string, tone: Tone): string {
    if (!this.hasColour || tone === 'plain') return text;
    const [on, off] = codes[tone];
    return `\x1b[${on}m${text}\x1b[${off}m`;
  }

  onResize(listener: () => void): () => void {
    this.#stdout.on('resize', listener);
    return () => this.#stdout.off('resize', listener);
  }
  get errorStream(): WriteStream {
    return this.#stderr;
  }
}

/** Text that came from a host (a disk model, a file name) without anything that could steer the terminal. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
}

/** Cuts to a width in columns; the last one becomes `…`. Every character counts as one column: names and texts are Latin. */
export function cut(text: string, width: number): string {
  const letters = Array.from(text);
  if (letters.length <= width) return text;
  return width <= 0 ? '' : `${letters.slice(0, width - 1).join('')}…`;
}
