/** Runs the CLI, inside this process or as its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { main } from '#cli/main.ts';
import { Terminal } from '#cli/terminal.ts';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** In this process, on pipes. */
export async function runCli(args: readonly string[], input = ''): Promise<CliResult> {
  const [out, err] = [new Sink(), new Sink()];
  const stdin = new PassThrough();
  stdin.end(input);
  const streams = {
    stdin: stdin as unknown as ReadStream,
    stdout: out as unknown as WriteStream,
    stderr: err as unknown as WriteStream,
  };
  const code = await main(args, new Terminal(streams, {}));
  return { code, out: out.text, err: err.text };
}

class Sink {
  text = '';
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

const mainPath = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

/** As a program of its own. */
export class CliProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Exit code; a signal that ended it as 128 + number would hide a missing handler, so it stays text. */
  readonly ended: Promise<number | string>;
  out = '';
  err = '';
  #waiting: (() => void)[] = [];

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#take('out', text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#take('err', text));
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        resolve(code ?? signal ?? 'unknown');
        this.#wake();
      });
    });
  }

  static onPipes(args: readonly string[], options: { uid?: number } = {}): CliProcess {
    return new CliProcess(spawn(process.execPath, [mainPath, ...args], options));
  }

  /** On a pseudo-terminal of script(1): stdout and stderr come as one, the byte 3 is Ctrl-C. */
  static onTerminal(args: readonly string[], size: { columns: number; rows: number }): CliProcess {
    const words = [process.execPath, mainPath, ...args].map((word) => `'${word}'`).join(' ');
    const command = `stty cols ${size.columns} rows ${size.rows}; exec ${words}`;
    const env = { ...process.env, TERM: 'xterm', NO_COLOR: '' };
    return new CliProcess(spawn('script', ['-qec', command, '/dev/null'], { env }));
  }

  /** Resolves when the text has been printed. Throws when the program ends without it. */
  async printed(text: string): Promise<void> {
    let isEnded = false;
    void this.ended.then(() => {
      isEnded = true;
    });
    while (!this.out.includes(text) && !this.err.includes(text)) {
      if (isEnded) throw new Error(`it ended without printing ${text}:\n${this.out}\n${this.err}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #take(stream: 'out' | 'err', text: string): void {
    this[stream] += text;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
