/** The last words of one finisher. */
import { MAX_LOG_CHARS } from '#protocol/finisher.ts';

export class FinisherLog {
  #text = '';
  #isCut = false;

  /** Adds a whole line. */
  say(line: string): void {
    this.add(`${line}\n`);
  }

  add(text: string): void {
    this.#text += text;
    // Cut now and then, not with each byte of a talkative program.
    if (this.#text.length < 4 * MAX_LOG_CHARS) return;
    this.#cut();
  }

  /** Without the end of line; a cut is marked. */
  get text(): string {
    if (this.#text.length > MAX_LOG_CHARS) this.#cut();
    return `${this.#isCut ? '…' : ''}${this.#text.trimEnd()}`;
  }

  /** The last line, for one sentence. */
  get lastLine(): string {
    return this.text.split('\n').at(-1) ?? '';
  }

  #cut(): void {
    this.#text = this.#text.slice(-MAX_LOG_CHARS);
    this.#isCut = true;
  }
}
