/**
 * The times of a schedule: a cron expression or one time, in a time zone, and the end of its window. The only file that
 * touches croner.
 *
 * Where the clock is put forward, a time that does not exist becomes the first instant after the gap (02:30 → 03:00); where
 * it is put back, a time that comes twice is run the first time only. An expression for every hour or every few minutes
 * follows the clock's real minutes instead: nothing is left out and nothing is doubled. That is croner's rule
 * (tests: timetable.test.ts), and the one of Debian's cron for changes of up to three hours (cron(8)).
 */
import { Cron } from 'croner';
import { knownError } from '#protocol/errors.ts';

export interface TimetableSpec {
  readonly cron?: string | undefined;
  /** `2026-11-23 02:00`, once. */
  readonly at?: string | undefined;
  readonly tz: string;
  /** `06:00` */
  readonly until?: string | undefined;
}

export class Timetable {
  readonly isOnce: boolean;
  #next: (afterMs: number) => number | undefined;
  #until: Cron | undefined;

  private constructor(isOnce: boolean, next: (afterMs: number) => number | undefined, until: Cron | undefined) {
    this.isOnce = isOnce;
    this.#next = next;
    this.#until = until;
  }

  /** Throws SCHEDULE_INVALID. */
  static read({ cron, at, tz, until }: TimetableSpec): Timetable {
    if (!isZone(tz)) throw invalid(`there is no time zone ${tz}; write it as Europe/Berlin`);
    if ((cron === undefined) === (at === undefined)) throw invalid('give either --cron or --at');
    const window = until === undefined ? undefined : readClock(until, tz);
    if (cron !== undefined) {
      const times = readCron(cron, tz);
      return new Timetable(false, (afterMs) => nextOf(times, afterMs), window);
    }
    const atMs = readOnce(at!, tz);
    return new Timetable(true, (afterMs) => (afterMs < atMs ? atMs : undefined), window);
  }

  /** The first time after `afterMs`. */
  next(afterMs: number): number | undefined {
    return this.#next(afterMs);
  }

  /** Where the window ends that begins at `startMs`; undefined without a window. */
  untilOf(startMs: number): number | undefined {
    return this.#until && nextOf(this.#until, startMs);
  }
}

/** The time zone of this machine. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function nextOf(cron: Cron, afterMs: number): number | undefined {
  return cron.nextRun(new Date(afterMs))?.getTime();
}

function readCron(text: string, tz: string): Cron {
  let cron: Cron;
  try {
    cron = new Cron(text, { timezone: tz, paused: true, mode: '5-part' });
  } catch (error) {
    const problem = (error as Error).message.replace(/^CronPattern: /, '');
    throw invalid(`${text} is not a cron expression: ${problem}`, error);
  }
  // croner also takes a date, and names like @daily: one way to write a thing is enough.
  if (text.trim().split(/\s+/).length !== 5) throw invalid(`${text} is not a cron expression of five fields`);
  if (cron.nextRun(new Date(0)) === null) throw invalid(`${text} never comes`);
  return cron;
}

function readOnce(text: string, tz: string): number {
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})$/.exec(text);
  if (match === null) throw invalid(`${text} is not a time; write it as 2026-11-23 02:00`);
  const local = `${match[1]} ${match[2]}`;
  let atMs: number | undefined;
  try {
    const cron = new Cron(`${match[1]}T${match[2]}:00`, { timezone: tz, paused: true });
    atMs = nextOf(cron, 0);
  } catch (error) {
    throw invalid(`${text} is not a time: ${(error as Error).message}`, error);
  }
  if (atMs === undefined || formatLocal(atMs, tz) !== local) throw invalid(`there is no ${local} in ${tz}`);
  return atMs;
}

function readClock(text: string, tz: string): Cron {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (match === null) throw invalid(`--until ${text} is not a time of day; write it as 06:00`);
  return new Cron(`${Number(match[2])} ${Number(match[1])} * * *`, { timezone: tz, paused: true });
}

function isZone(tz: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: tz });
    return true;
  } catch {
    return false; // RangeError: the only way to ask
  }
}

/** `2026-11-23 02:00` as the clocks of the zone show it. */
function formatLocal(atMs: number, timeZone: string): string {
  return new Date(atMs).toLocaleString('sv-SE', { timeZone }).slice(0, 16);
}

function invalid(problem: string, cause?: unknown): Error {
  return knownError('SCHEDULE_INVALID', { problem }, { cause });
}
