/** What one host has reported of a running cast, over the last seconds. Pure. */
import type { StreamState } from '#protocol/agent-api.ts';

/** One report. */
export interface StreamSample {
  readonly atMs: number;
  readonly stream: StreamState;
  /** Plain bytes that come to its disk, for people. */
  readonly writtenBytesPerSecond: number;
}

/** The recent reports of a host, and the best it has ever taken in this cast. */
export interface HostTrack {
  readonly taskId: number;
  readonly samples: readonly StreamSample[];
  /** Stored bytes it took from the wire, at the best over RATE_WINDOW_MS; later the slow one may hold all others back. */
  readonly bestTakenBytesPerSecond: number;
  readonly bestWrittenBytesPerSecond: number;
}

/** A rate is taken over so much time: shorter, and one long write of a disk looks like a halt. */
const RATE_WINDOW_MS = 3000;
const LEAST_WINDOW_MS = 900;
/** A host whose buffer is below this share has a disk that keeps up. */
export const IDLE_SHARE = 0.25;
/** Parking costs the host itself a repair: to save the others less than this it is not done. */
export const LEAST_DELAY_MS = 1000;

export function beginTrack(taskId: number): HostTrack {
  return { taskId, samples: [], bestTakenBytesPerSecond: 0, bestWrittenBytesPerSecond: 0 };
}

/** The track with one more report. */
export function addSample(track: HostTrack, sample: StreamSample): HostTrack {
  const samples = [...track.samples, sample];
  // The oldest one that is kept is at least a whole window old.
  while (samples.length > 2 && samples[1]!.atMs <= sample.atMs - RATE_WINDOW_MS) samples.shift();
  const taken = rateOf(samples, ({ stream }) => stream.receivedBytes) ?? 0;
  return {
    taskId: track.taskId,
    samples,
    bestTakenBytesPerSecond: Math.max(track.bestTakenBytesPerSecond, taken),
    bestWrittenBytesPerSecond: Math.max(track.bestWrittenBytesPerSecond, sample.writtenBytesPerSecond),
  };
}

/** How full its buffer is, 0 to 1; 0 while it has reported nothing. */
export function queueShare(host: HostTrack): number {
  const stream = host.samples.at(-1)?.stream;
  return stream === undefined || stream.bufferBytes === 0 ? 0 : stream.queuedBytes / stream.bufferBytes;
}

/** Per second, over the samples; undefined when they span too little. */
export function rateOf(samples: readonly StreamSample[], read: (sample: StreamSample) => number): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs - first.atMs < LEAST_WINDOW_MS) return undefined;
  return ((read(last) - read(first)) * 1000) / (last.atMs - first.atMs);
}

/** The middle one, of an even number the greater of both; 0 of none. */
export function upperMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
