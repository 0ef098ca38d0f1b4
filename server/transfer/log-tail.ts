/** Follows a file that a program appends to: each time only what is new is read. */
import { open } from 'node:fs/promises';
import { LineCutter } from './udp-sender-output.ts';

const PIECE_BYTES = 64 * 1024;

export class LogTail {
  readonly #path: string;
  readonly #cutter = new LineCutter();
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whole lines that have come since it was asked last; none while there is no such file. */
  async read(): Promise<string[]> {
    const file = await open(this.#path).catch(() => undefined);
    if (file === undefined) return [];
    const lines: string[] = [];
    try {
      const piece = Buffer.alloc(PIECE_BYTES);
      for (;;) {
        const { bytesRead } = await file.read(piece, 0, piece.length, this.#offset);
        if (bytesRead === 0) return lines;
        this.#offset += bytesRead;
        lines.push(...this.#cutter.push(piece.toString('latin1', 0, bytesRead)));
      }
    } finally {
      await file.close();
    }
  }
}
