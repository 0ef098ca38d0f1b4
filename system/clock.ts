/** Time as a parameter: the real clock, and what code may ask of any clock. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970: for what people read and what is kept. It jumps when somebody sets the clock. */
  nowMs(): number;
  /** Milliseconds by a clock that never jumps, for how long something takes. Means nothing in another process. */
  steadyMs(): number;
  /** Resolves after `ms`; rejects with AbortError when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  steadyMs: () => performance.timeOrigin + performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};
