/**
 * Whose cable holds a cast back? A host whose buffer is empty and whom udp-sender waits for all the same. In a clean cast the
 * receiver that acknowledges a slice last is now this one, now that; one behind a slower link is it (nearly) every time, and
 * either it is waited for long (the switch keeps what the link does not take) or much is sent again (the switch drops it).
 * One that loses packets by chance is last every time too, but it is never waited for long: it costs what is sent again. 5 % cost
 * a cast of 30 Mbit/s 3 %, and parking the host cost it half of its time.
 * Measured on 100 Mbit/s with one cable of 10, 50 and 80: last in 100 % of the slices; two cables of 50 among six: last in all
 * slices together; 42 good cables on two busy processors: no host in more than 12 %. Pure.
 */
import type { SenderWait } from '../transfer/cast.ts';
import { type HostTrack, IDLE_SHARE, LEAST_DELAY_MS, queueShare } from './host-track.ts';

export interface CableHost extends HostTrack {
  /** Of its deployment network, as udp-sender sees it. */
  readonly address: string;
}

export interface CableFacts {
  /** The hosts that hear the cast now. */
  readonly hosts: readonly CableHost[];
  /** What udp-sender has said since the hosts of the cast last changed, oldest first. */
  readonly waits: readonly SenderWait[];
  /** Stored bytes of the whole cast. */
  readonly castBytes: number;
  readonly wire: Wire;
}

/** What a cast may bring when it waits for nobody, in stored bytes a second. */
export interface Wire {
  /** The best that passes have shown; undefined: there was none. */
  readonly seenBytesPerSecond: number | undefined;
  /** What links and caps promise. */
  readonly promisedBytesPerSecond: number;
}

export interface CableRule {
  /** A host is waited for from here, in percent of what udp-sender says. */
  readonly parkWaitedPercent: number;
  /** A delay of the others is worth parking from here, in percent of the time of the cast. */
  readonly parkDelayPercent: number;
}

export interface SlowCable {
  readonly cause: 'cable';
  readonly taskId: number;
  /** Stored bytes that the cast brings with it, and is expected to bring without. */
  readonly paceBytesPerSecond: number;
  readonly freeBytesPerSecond: number;
  /** In which part of the slices it was waited for, and which part of the packets was sent again, in percent. */
  readonly waitedPercent: number;
  readonly resentPercent: number;
  /** How long it would hold the others back, in ms. */
  readonly delayMs: number;
}

/** udp-sender is listened to over so much time, in ms. */
const WAIT_WINDOW_MS = 3000;
/** A cable of 1 Mbit/s takes 6 s for one slice: what was said is kept for so long, in ms. */
export const KEPT_WAITS_MS = 30_000;
/** Before that it has said too little. */
const LEAST_WINDOW_MS = 1500;
const LEAST_WAITS = 4;
/** That somebody is always last costs nothing by itself: one of these two must be seen too. */
const LEAST_LONG_WAITS = 2;
const LEAST_RESENT_PERCENT = 5;
/** Each of several slow hosts is waited for in this share of what all of them must come to. */
const PART_OF_WANTED = 1 / 3;
/** A pass that was quicker by this factor was not held back by the same host. */
const SHOWN_FACTOR = 1.2;
/** Payload of udpcast in one packet at an MTU of 1500. */
const PACKET_BYTES = 1456;

/**
 * The hosts to park. None when most are waited for (then the pace is the room's), when the others would gain less time
 * altogether than the parked ones lose, and never the last one.
 */
export function findSlowCables(facts: CableFacts, rule: CableRule): SlowCable[] {
  const { hosts, castBytes } = facts;
  const waits = recent(facts.waits);
  const pace = paceOf(waits);
  if (hosts.length < 2 || pace === undefined || waits.length < LEAST_WAITS) return [];
  const suspects = findSuspects(hosts, waits, rule.parkWaitedPercent / 100);
  const others = hosts.length - suspects.length;
  if (suspects.length === 0 || suspects.length > others) return [];
  const { bytesPerSecond, resentShare, leftBytes } = { ...pace, leftBytes: castBytes - waits.at(-1)!.sentBytes };
  const isHeld = waits.filter((wait) => wait.isLong && namesOneOf(wait, suspects)).length >= LEAST_LONG_WAITS;
  if (!isHeld && resentShare * 100 < LEAST_RESENT_PERCENT) return [];
  const free = expectedPace(pace, isHeld, facts.wire);
  const delayMs = (leftBytes / bytesPerSecond - leftBytes / free) * 1000;
  const worthMs = Math.max(LEAST_DELAY_MS, ((castBytes / free) * 1000 * rule.parkDelayPercent) / 100);
  // Whoever is parked waits until the others are served.
  const lostMs = (leftBytes / free) * 1000 * suspects.length;
  if (delayMs < worthMs || delayMs * others < lostMs) return [];
  return suspects.map((host) => ({
    cause: 'cable',
    taskId: host.taskId,
    paceBytesPerSecond: bytesPerSecond,
    freeBytesPerSecond: free,
    waitedPercent: Math.round(waitedShare(waits, [host]) * 100),
    resentPercent: Math.round(resentShare * 100),
    delayMs,
  }));
}

/**
 * What the cast brings without the suspects. What is sent again would carry something new; that the wire stands still meanwhile only
 * long waits show. No host holds the cast while udp-sender takes all that it is given.
 */
function expectedPace({ bytesPerSecond, resentShare, fullShare }: Pace, isHeld: boolean, wire: Wire): number {
  const busy = Math.min(bytesPerSecond / (1 - resentShare), wire.promisedBytesPerSecond);
  const free = isHeld ? Math.max(freePaceOf(wire, bytesPerSecond), busy) : busy;
  return Math.max(bytesPerSecond, Math.min(free, bytesPerSecond / (1 - fullShare)));
}

/**
 * What the wire gives without those that hold a cast to `heldBytesPerSecond`. Passes that were all no quicker may have been held
 * back by the same hosts: then the promise counts.
 */
export function freePaceOf({ seenBytesPerSecond, promisedBytesPerSecond }: Wire, heldBytesPerSecond: number): number {
  const hasShownMore = seenBytesPerSecond !== undefined && seenBytesPerSecond > heldBytesPerSecond * SHOWN_FACTOR;
  return hasShownMore ? Math.min(seenBytesPerSecond, promisedBytesPerSecond) : promisedBytesPerSecond;
}

export interface Pace {
  readonly bytesPerSecond: number;
  /** Of the packets, those that were sent again. */
  readonly resentShare: number;
  /** In which part of the time udp-sender took nothing. */
  readonly fullShare: number;
}

/** The pace of the cast by what udp-sender has said last; undefined: it has said too little. */
export function paceOf(waits: readonly SenderWait[]): Pace | undefined {
  const slices = recent(waits).filter((wait) => !wait.isLong);
  const [first, last] = [slices[0], slices.at(-1)];
  if (first === undefined || last === undefined || last.atMs - first.atMs < LEAST_WINDOW_MS) return undefined;
  const bytes = last.sentBytes - first.sentBytes;
  const resentBytes = (last.retransmits - first.retransmits) * PACKET_BYTES;
  if (bytes <= 0) return undefined;
  const tookMs = last.atMs - first.atMs;
  return {
    bytesPerSecond: (bytes * 1000) / tookMs,
    resentShare: resentBytes / (bytes + resentBytes),
    fullShare: Math.min(1, (last.fullMs - first.fullMs) / tookMs),
  };
}

/** The hosts with an empty buffer who together make up nearly all that was waited for; each of them a good part of it. */
function findSuspects(hosts: readonly CableHost[], waits: readonly SenderWait[], wanted: number): CableHost[] {
  // Of several that are equally slow now one comes last, now another.
  const often = hosts.filter((host) => waitedShare(waits, [host]) >= wanted * PART_OF_WANTED);
  const suspects = often.filter((host) => queueShare(host) < IDLE_SHARE);
  return waitedShare(waits, suspects) >= wanted ? suspects : [];
}

/** In which part of what udp-sender said one of these was named. */
function waitedShare(waits: readonly SenderWait[], hosts: readonly CableHost[]): number {
  return waits.filter((wait) => namesOneOf(wait, hosts)).length / waits.length;
}

function namesOneOf(wait: SenderWait, hosts: readonly CableHost[]): boolean {
  return hosts.some(({ address }) => wait.addresses.includes(address));
}

/** Those of the window, and of as many slices as a pace needs. Long waits come a moment later than they were: they are read from a file. */
function recent(waits: readonly SenderWait[]): SenderWait[] {
  const lastMs = waits.reduce((latest, { atMs }) => Math.max(latest, atMs), 0);
  const thirdLast = waits.filter(({ isLong }) => !isLong).at(-3)?.atMs ?? Number.POSITIVE_INFINITY;
  const fromMs = Math.min(lastMs - WAIT_WINDOW_MS, thirdLast);
  return waits.filter(({ atMs }) => atMs >= fromMs);
}
