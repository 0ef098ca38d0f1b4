/** What a machine does between power-on and hello, and how to tell from outside when each phase has ended. Pure. */

/** One observed moment: a line of the serial console, or an answer of the daemon. */
export interface Moment {
  /** Unix time. */
  readonly atMs: number;
  readonly from: 'console' | 'daemon';
  readonly text: string;
}

interface Phase {
  readonly name: string;
  readonly endsWith: Moment['from'];
  readonly pattern: RegExp;
  /** The last such moment counts, not the first. */
  readonly isLast?: boolean;
}

/** In the order of time. A phase begins where the one before it ended. A line of stage 1 may stand behind one that iPXE left unfinished. */
export const phases: readonly Phase[] = [
  { name: 'firmware', endsWith: 'daemon', pattern: /^dhcp: / },
  { name: 'loader', endsWith: 'daemon', pattern: /^GET \S+\/(vmlinuz|stage1\.img)$/, isLast: true },
  { name: 'kernel', endsWith: 'console', pattern: /fleetcast: looking for the network card/ },
  { name: 'stage1', endsWith: 'console', pattern: /fleetcast: fetching the agent/ },
  { name: 'squashfs', endsWith: 'console', pattern: /fleetcast: looking for disks/ },
  { name: 'disks', endsWith: 'console', pattern: /fleetcast: starting the agent/ },
  { name: 'node', endsWith: 'console', pattern: /fleetcast agent .*: asking/ },
  { name: 'hello', endsWith: 'console', pattern: /this host is / },
];

/** Seconds of each phase and of all together; NaN for a phase whose end was not seen: the next one has its time. */
export function measurePhases(poweredOnMs: number, moments: readonly Moment[]): Record<string, number> {
  const seconds: Record<string, number> = {};
  let beganMs = poweredOnMs;
  for (const { name, endsWith, pattern, isLast } of phases) {
    const isEnd = ({ from, text, atMs }: Moment) => from === endsWith && atMs >= poweredOnMs && pattern.test(text);
    const end = isLast ? moments.findLast(isEnd) : moments.find(isEnd);
    seconds[name] = end === undefined ? Number.NaN : (end.atMs - beganMs) / 1000;
    beganMs = end?.atMs ?? beganMs;
  }
  return { ...seconds, all: (beganMs - poweredOnMs) / 1000 };
}
