/** What a schedule does about the times that have passed since it was last looked at. Pure. */

export interface DueFacts {
  /** Every time up to here has been decided. */
  readonly checkedMs: number;
  readonly nowMs: number;
  /** The first time after one. */
  readonly next: (afterMs: number) => number | undefined;
  /** End of the window that begins at a time; undefined: there is no window. */
  readonly untilOf: (startMs: number) => number | undefined;
  readonly catchUp: boolean;
  /** A run of this schedule has not ended. */
  readonly isRunning: boolean;
}

export interface DueDecision {
  /** Times that nobody was there for. At least one. */
  readonly missed?: { readonly firstMs: number; readonly lastMs: number; readonly count: number };
  /** Begin a run now, or (`isOverlap`) note that the one before still runs. */
  readonly due?: {
    readonly dueMs: number;
    readonly kind: 'time' | 'late';
    readonly untilMs?: number;
    readonly isOverlap: boolean;
  };
}

/** A run that begins this much after its time is on time: a restart of the daemon does not lose it. In ms. */
export const ON_TIME_MS = 5 * 60_000;
/** More missed times than this are not counted one by one. */
export const MOST_COUNTED = 1000;

/**
 * Of several times that have passed only the last can still be run: on time, or late while its window is open, or late
 * without a window when the admin wants to catch up. A window that has closed is never run late.
 */
export function decideDue(facts: DueFacts): DueDecision {
  const times = passedTimes(facts);
  const last = times.at(-1);
  if (last === undefined) return {};
  const untilMs = facts.untilOf(last);
  const kind = howLate(last, untilMs, facts);
  const missed = kind === undefined ? times : times.slice(0, -1);
  return {
    ...(missed.length === 0 ? {} : { missed: { firstMs: missed[0]!, lastMs: missed.at(-1)!, count: missed.length } }),
    ...(kind === undefined
      ? {}
      : {
          due: {
            dueMs: last,
            kind,
            ...(untilMs === undefined ? {} : { untilMs }),
            isOverlap: facts.isRunning,
          },
        }),
  };
}

/** Whether a run that was due may begin now: undefined when it is too late for it. */
export function howLate(
  dueMs: number,
  untilMs: number | undefined,
  { nowMs, catchUp }: Pick<DueFacts, 'nowMs' | 'catchUp'>,
): 'time' | 'late' | undefined {
  if (untilMs !== undefined && nowMs >= untilMs) return undefined;
  if (nowMs - dueMs <= ON_TIME_MS) return 'time';
  return untilMs !== undefined || catchUp ? 'late' : undefined;
}

/** All of them, or the first of them and the last when they are too many to count. */
function passedTimes({ checkedMs, nowMs, next }: DueFacts): number[] {
  const times: number[] = [];
  for (let at = next(checkedMs); at !== undefined && at <= nowMs; at = next(at)) {
    if (times.length === MOST_COUNTED) return [...times, lastPassed(nowMs, next)];
    times.push(at);
  }
  return times;
}

/** The last time up to now, when there is one: looked for in a span before now that doubles until it holds one. */
function lastPassed(nowMs: number, next: DueFacts['next']): number {
  for (let spanMs = 60_000; ; spanMs *= 2) {
    let found = next(nowMs - spanMs);
    if (found === undefined || found > nowMs) continue;
    for (let at: number | undefined = found; at !== undefined && at <= nowMs; at = next(at)) found = at;
    return found;
  }
}
