/** Some lines at the bottom of the terminal that are drawn again in place. */
import type { Terminal } from './terminal.ts';
import type { WatchLine } from './watch-view.ts';

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** What to write so that `lines` stand where `drawnLines` lines stood (ECMA-48: CUU, EL, ED). */
function redraw(drawnLines: number, lines: readonly string[]): string {
  const up = drawnLines > 0 ? `\r\x1b[${drawnLines}A` : '\r';
  return `${up}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`;
}

/** Hides the cursor until `end`; whatever way the process ends, the cursor comes back. */
export class LiveScreen {
  readonly #terminal: Terminal;
  readonly #stopResize: () => void;
  readonly #showCursor: () => void;
  #drawnLines = 0;

  constructor(terminal: Terminal, onResize: () => void) {
    this.#terminal = terminal;
    this.#showCursor = () => terminal.out(SHOW_CURSOR);
    process.on('exit', this.#showCursor);
    this.#stopResize = terminal.onResize(() => {
      // Lines may have wrapped, so where they begin is not known any more.
      terminal.out('\x1b[H\x1b[2J');
      this.#drawnLines = 0;
      onResize();
    });
    terminal.out(HIDE_CURSOR);
  }

  draw(lines: readonly WatchLine[]): void {
    const painted = lines.map((line) => this.#terminal.paint(line.text, line.tone));
    this.#terminal.out(redraw(this.#drawnLines, painted));
    this.#drawnLines = lines.length;
  }

  /** Leaves the last picture, or removes it. */
  end(o: { keep: boolean }): void {
    if (!o.keep) this.#terminal.out(redraw(this.#drawnLines, []));
    this.#stopResize();
    process.off('exit', this.#showCursor);
    this.#showCursor();
  }
}
