/** Ctrl-C: who handles it now, and how the command ends when nobody does. */

/** The admin broke off. `farewell` says what goes on without the CLI and how to come back. Exit code 130. */
export class Interrupted extends Error {
  constructor(farewell: string) {
    super(farewell);
    this.name = 'Interrupted';
  }
}

const handlers: (() => void)[] = [];

/** The newest handler gets the next Ctrl-C; call what it returns to give it back. */
export function onInterrupt(handler: () => void): () => void {
  handlers.push(handler);
  return () => {
    const place = handlers.lastIndexOf(handler);
    if (place >= 0) handlers.splice(place, 1);
  };
}

/**
 * Call once, at the start. Without a handler Ctrl-C ends the process with 130; SIGTERM and SIGHUP end it by `process.exit`,
 * so that what restores the terminal (`process.on('exit')`) runs.
 */
export function catchSignals(): void {
  process.on('SIGINT', () => {
    const handler = handlers.at(-1);
    if (handler) handler();
    else process.exit(130);
  });
  process.on('SIGTERM', () => process.exit(143));
  process.on('SIGHUP', () => process.exit(129));
}
