/** One logger for daemon and agent: JSON lines on stderr. */
import { type Logger, pino } from 'pino';

export type { Logger };

/** `level`: one of pino's; `name` stands in every line. */
export function makeLogger(level: string, name: string): Logger {
  return pino({ name, level }, pino.destination({ dest: 2, sync: false }));
}

/** For tests and for tools that have nothing to log. */
export const silentLogger: Logger = pino({ level: 'silent' });
