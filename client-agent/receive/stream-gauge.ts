/** How full the buffer between the wire and the disk is, for the reports: from this the server sees who holds the others up. */
import type { StreamState } from '#protocol/agent-api.ts';

/** Passing one of these shares of the buffer is told at once. */
const PRESSING_SHARES = [0.5, 0.75];

/** The memory that the stream waits in. */
export interface StreamBuffer {
  readonly bufferBytes: number;
  readonly queuedBytes: number;
}

export class StreamGauge {
  readonly #buffer: StreamBuffer;
  readonly #nowMs: () => number;
  #receivedBytes = 0;
  #stalledMs = 0;
  #stalledSinceMs: number | undefined;

  constructor(buffer: StreamBuffer, nowMs: () => number = () => performance.now()) {
    this.#buffer = buffer;
    this.#nowMs = nowMs;
  }

  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** Counts the time until there is room again. */
  async stalled<T>(room: Promise<T>): Promise<T> {
    this.#stalledSinceMs = this.#nowMs();
    try {
      return await room;
    } finally {
      this.#stalledMs += this.#nowMs() - this.#stalledSinceMs;
      this.#stalledSinceMs = undefined;
    }
  }

  read(): StreamState {
    const sinceMs = this.#stalledSinceMs === undefined ? 0 : this.#nowMs() - this.#stalledSinceMs;
    return {
      receivedBytes: this.#receivedBytes,
      queuedBytes: this.#buffer.queuedBytes,
      bufferBytes: this.#buffer.bufferBytes,
      stalledMs: Math.round(this.#stalledMs + sinceMs),
    };
  }
}

/** The buffer has passed one of PRESSING_SHARES since `before` was reported. */
export function isPressing(before: StreamState | undefined, now: StreamState | undefined): boolean {
  if (now === undefined) return false;
  const [was, is] = [shareOf(before), shareOf(now)];
  return PRESSING_SHARES.some((share) => was < share && is >= share);
}

function shareOf(state: StreamState | undefined): number {
  return state === undefined || state.bufferBytes === 0 ? 0 : state.queuedBytes / state.bufferBytes;
}
