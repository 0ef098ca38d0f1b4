/**
 * Whether hosts should hash their disks before an image travels: what hashing costs against what it saves, in seconds from the
 * start of the session's work to its last verified host. Pure.
 *
 * Hashing reads the disk once, and what it finds right is neither sent nor written nor read back. So it pays when the disks are
 * known to hold enough of the image, unless some host of the session lacks everything: then the whole image is cast anyway.
 */
import type { CastMode, DeltaPolicy } from '#protocol/admin/deploy-api.ts';
import type { DiskSpeed } from './disk-speed.ts';

export interface DeltaHost {
  readonly host: string;
  /** Share of the image that its disk is expected to hold, 0 to 1; 0: nothing is known. */
  readonly knownShare: number;
  /** What is known of the disk, a clause for people. */
  readonly known: string;
  readonly speed: DiskSpeed;
}

export interface DeltaFacts {
  readonly policy: DeltaPolicy;
  readonly mode: CastMode;
  readonly verify: 'full' | 'none';
  /** Bytes that hashing or laying the whole image moves on a disk. */
  readonly plainBytes: number;
  /** Bytes that the whole image is on the wire. */
  readonly storedBytes: number;
  readonly wireBytesPerSecond: number;
  readonly hosts: readonly DeltaHost[];
}

export interface DeltaEstimate {
  readonly hash: boolean;
  readonly hashSeconds: number;
  /** Share of the image that the host is expected to lack after hashing. */
  readonly moveShare: number;
  /** The host's own work when it hashes, and when it takes everything. */
  readonly deltaSeconds: number;
  readonly fullSeconds: number;
  readonly because: string;
}

export interface DeltaChoice {
  /** In the order of the facts. */
  readonly hosts: readonly DeltaEstimate[];
  /** The whole session when those hash who are chosen, and when nobody does. */
  readonly chosenSeconds: number;
  readonly fullSeconds: number;
  /** Share of the image that is expected to travel by cast. */
  readonly moveShare: number;
}

type IsHashing = (host: DeltaHost) => boolean;

const nobody: IsHashing = () => false;
const isKnown: IsHashing = (host) => host.knownShare > 0;

export function chooseDelta(facts: DeltaFacts): DeltaChoice {
  const fullSeconds = sessionSeconds(facts, nobody);
  const isHashing = { never: nobody, always: () => true, auto: chooseAuto(facts, fullSeconds) }[facts.policy];
  return {
    hosts: facts.hosts.map((host) => ({
      ...estimateHost(facts, host),
      hash: isHashing(host),
      because: whyHost(facts, host, isHashing(host)),
    })),
    chosenSeconds: sessionSeconds(facts, isHashing),
    fullSeconds,
    moveShare: unionShare(facts, isHashing),
  };
}

/** A host that begins anew in the middle of its session. */
export interface RehashFacts {
  readonly policy: DeltaPolicy;
  readonly verify: 'full' | 'none';
  /** Share of the image that was on its disk when it was last heard of. */
  readonly haveShare: number;
  readonly plainBytes: number;
  readonly storedBytes: number;
  readonly wireBytesPerSecond: number;
  readonly speed: DiskSpeed;
}

/** Whether it should hash what it has rather than get everything again. It is one host now: it waits for nobody's disk. */
export function isRehashWorth(facts: RehashFacts): boolean {
  if (facts.policy !== 'auto') return facts.policy === 'always';
  const host = { host: '', known: '', knownShare: facts.haveShare, speed: facts.speed };
  const { deltaSeconds, fullSeconds } = estimateHost(facts, host);
  return facts.haveShare > 0 && deltaSeconds < fullSeconds;
}

/** All who are known to hold something, or nobody: one that takes everything makes the whole image travel. */
function chooseAuto(facts: DeltaFacts, fullSeconds: number): IsHashing {
  return sessionSeconds(facts, isKnown) < fullSeconds ? isKnown : nobody;
}

/** The wire and the disks work at the same time; hashing comes before, reading back after. */
function sessionSeconds(facts: DeltaFacts, isHashing: IsHashing): number {
  const { plainBytes, storedBytes, wireBytesPerSecond, hosts } = facts;
  const lacking = (host: DeltaHost) => (isHashing(host) ? 1 - host.knownShare : 1);
  const hash = most(hosts.filter(isHashing).map(({ speed }) => plainBytes / speed.readBytesPerSecond));
  const write = most(hosts.map((host) => (lacking(host) * plainBytes) / host.speed.writeBytesPerSecond));
  const read = most(hosts.map((host) => (lacking(host) * plainBytes) / host.speed.readBytesPerSecond));
  const share =
    facts.mode === 'unicast' ? hosts.reduce((sum, host) => sum + lacking(host), 0) : unionShare(facts, isHashing);
  const wire = (share * storedBytes) / wireBytesPerSecond;
  return hash + Math.max(wire, write) + (facts.verify === 'full' ? read : 0);
}

/**
 * What several hosts lack together lies between what one lacks (they all changed in the same places) and the sum of all. Four
 * used clones of a system lacked about twice as much together as one of them: the square root of their number.
 */
function unionShare({ hosts }: DeltaFacts, isHashing: IsHashing): number {
  if (!hosts.every(isHashing)) return 1;
  return Math.min(1, most(hosts.map((host) => 1 - host.knownShare)) * Math.sqrt(hosts.length));
}

/** The host alone, whatever the others do. */
function estimateHost(
  facts: Pick<DeltaFacts, 'plainBytes' | 'storedBytes' | 'wireBytesPerSecond' | 'verify'>,
  { knownShare, speed }: DeltaHost,
): Pick<DeltaEstimate, 'hashSeconds' | 'moveShare' | 'deltaSeconds' | 'fullSeconds'> {
  const readSeconds = facts.plainBytes / speed.readBytesPerSecond;
  const moveSeconds = Math.max(
    facts.storedBytes / facts.wireBytesPerSecond,
    facts.plainBytes / speed.writeBytesPerSecond,
  );
  const fullSeconds = moveSeconds + (facts.verify === 'full' ? readSeconds : 0);
  const moveShare = 1 - knownShare;
  return { hashSeconds: readSeconds, moveShare, deltaSeconds: readSeconds + moveShare * fullSeconds, fullSeconds };
}

function whyHost(facts: DeltaFacts, host: DeltaHost, isHashing: boolean): string {
  if (facts.policy === 'never') return 'asked not to hash (--delta never)';
  if (facts.policy === 'always') return `asked for (--delta always); ${host.known}`;
  if (isHashing) return `${host.known}; ${host.speed.because}`;
  if (!isKnown(host)) return host.known;
  const strangers = facts.hosts.filter((one) => !isKnown(one)).map((one) => one.host);
  if (strangers.length > 0 && facts.mode !== 'unicast') {
    const names = strangers.length > 3 ? `${strangers.slice(0, 3).join(', ')} and others` : strangers.join(', ');
    return `the whole image is cast to ${names} anyway`;
  }
  return `hashing takes longer than it saves; ${host.speed.because}`;
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0);
}
