/** Whether another pass is quicker than serving every hole over HTTP: both are reckoned in seconds. Pure. */
import type { CastView } from '#protocol/admin/session-api.ts';
import type { HoleSet } from '#protocol/holes.ts';

/** What a line carries of its nominal rate: Ethernet's headers, IP's and ours are the rest. */
export const WIRE_SHARE = 0.94;
/** When no link speed is known. */
export const USUAL_LINK_MBIT = 1000;
/**
 * From the decision to the first byte of a pass, when no pass of the session has shown it: the agents' next look at their
 * orders, the start of udp-receiver, the joining, and the 2 s of silence after which udp-sender begins.
 */
export const USUAL_GATHER_S = 4;
/** So many passes of earlier sessions are looked at for what the network gives. */
export const EARLIER_CASTS = 10;
/** A cast of less says more about its start than about its rate. */
const LEAST_MEASURED_BYTES = 4 * 1024 * 1024;

/** Chunks of the ready hosts: what a pass would bring, and what HTTP would. */
export interface Lacking {
  /** Chunks that at least two hosts lack: these would be cast, once. */
  readonly shared: number;
  /** For each host all that it lacks, and what it lacks alone and would fetch after the pass too. */
  readonly hosts: readonly { readonly all: number; readonly alone: number }[];
}

export interface PassRates {
  /** Stored bytes of an average chunk. */
  readonly bytesPerChunk: number;
  readonly gatherSeconds: number;
  readonly castBytesPerSecond: number;
  /** What the server's line gives to all hosts together over HTTP. */
  readonly lineBytesPerSecond: number;
  /** What each host's own link takes, in the order of `Lacking.hosts`. */
  readonly hostBytesPerSecond: readonly number[];
}

/** Seconds of both roads to the last filled hole. */
export interface RepairCost {
  readonly passSeconds: number;
  readonly httpSeconds: number;
}

export function costOfRepair(lacking: Lacking, rates: PassRates): RepairCost {
  const castSeconds = (lacking.shared * rates.bytesPerChunk) / rates.castBytesPerSecond;
  return {
    passSeconds: rates.gatherSeconds + castSeconds + httpSeconds(lacking, rates, 'alone'),
    httpSeconds: httpSeconds(lacking, rates, 'all'),
  };
}

/** True when something would be cast, and everybody would be whole sooner than over HTTP alone. */
export function isPassWorth(lacking: Lacking, rates: PassRates): boolean {
  const { passSeconds, httpSeconds } = costOfRepair(lacking, rates);
  return lacking.shared > 0 && passSeconds < httpSeconds;
}

/** Counts what several hosts lack and what each lacks alone. */
export function countLacking(holes: readonly HoleSet[], chunkCount: number): Lacking {
  const holders = new Uint16Array(chunkCount);
  for (const one of holes) for (const ordinal of one) holders[ordinal]!++;
  const hosts = holes.map((one) => {
    let alone = 0;
    for (const ordinal of one) if (holders[ordinal] === 1) alone++;
    return { all: one.count, alone };
  });
  return { shared: holders.reduce((sum, count) => (count > 1 ? sum + 1 : sum), 0), hosts };
}

/** How long passes took to begin and how fast they were, the newest last; what they have not shown is absent. */
export function measurePasses(
  casts: readonly CastView[],
): Partial<Pick<PassRates, 'gatherSeconds' | 'castBytesPerSecond'>> {
  const last = casts.findLast((cast) => cast.firstByteAtMs !== undefined && cast.endedAtMs !== undefined);
  const steady = casts.findLast((cast) => cast.sentBytes >= LEAST_MEASURED_BYTES && secondsOf(cast) > 0);
  return {
    ...(last === undefined ? {} : { gatherSeconds: Math.max(0, last.firstByteAtMs! - last.startedAtMs) / 1000 }),
    ...(steady === undefined ? {} : { castBytesPerSecond: steady.sentBytes / secondsOf(steady) }),
  };
}

/** The best that a pass has shown, in stored bytes; undefined: none was long enough. One bad host makes a pass slow, none makes it quick. */
export function bestPaceOf(casts: readonly CastView[]): number | undefined {
  const paces = casts
    .filter((cast) => cast.sentBytes >= LEAST_MEASURED_BYTES && secondsOf(cast) > 0)
    .map((cast) => cast.sentBytes / secondsOf(cast));
  return paces.length === 0 ? undefined : Math.max(...paces);
}

/** What a link of so many Mbit/s carries, headers apart. */
export function bytesPerSecondOf(mbit: number): number {
  return ((mbit * 1e6) / 8) * WIRE_SHARE;
}

/** The server's line is shared by all, and nobody is quicker than the own link. */
function httpSeconds(lacking: Lacking, rates: PassRates, which: 'all' | 'alone'): number {
  const bytes = lacking.hosts.map((host) => host[which] * rates.bytesPerChunk);
  const own = bytes.map((count, i) => count / rates.hostBytesPerSecond[i]!);
  const sum = bytes.reduce((total, count) => total + count, 0);
  return Math.max(sum / rates.lineBytesPerSecond, ...own);
}

function secondsOf(cast: CastView): number {
  if (cast.firstByteAtMs === undefined || cast.endedAtMs === undefined) return 0;
  return (cast.endedAtMs - cast.firstByteAtMs) / 1000;
}
