/** The command line of udp-sender(1), each choice measured with udpcast 20120424. Pure. */
import { DEFAULT_FEC } from '#protocol/admin/deploy-api.ts';

export interface SenderPlan {
  readonly mode: 'multicast' | 'broadcast' | 'oneway';
  /** Forward error correction (mode oneway). */
  readonly fec?: string | undefined;
  readonly interface: string;
  readonly portBase: number;
  /** Multicast group of the data (mode multicast). */
  readonly dataAddress: string;
  /** Multicast group in which receivers find the sender (mode multicast). */
  readonly rdvAddress: string;
  readonly ttl: number;
  /** Hosts that were told to join: with all of them there it starts at once. */
  readonly receivers: number;
  /** Seconds from the first joined host until it starts with whoever is there. */
  readonly maxWaitS: number;
  /** Seconds until it gives up when nobody joins. */
  readonly startTimeoutS: number;
  /** Unanswered requests until a dead host is dropped: the others stall about (this - 9) s (measured: 9 → 0.1 s, 10 → 1.1 s, 11 → 2.1 s, 20 → 11.2 s). */
  readonly retriesUntilDrop: number;
  readonly maxMbit?: number | undefined;
  readonly logPath: string;
}

/** udp-sender keeps the rate in an int of bits a second: above this it hangs. */
const MOST_MBIT = 2100;

/** Hellos before a one-way cast begins, 0.2 s apart: the receivers only listen, so nobody knows who is there. */
const ONEWAY_HELLOS = 15;

/** The whole command line, the program first. */
export function udpSenderArgs(plan: SenderPlan): string[] {
  return [
    'udp-sender',
    ...(plan.mode === 'oneway' ? unacknowledged(plan) : acknowledged(plan)),
    // A lost join packet hangs the start unless the hello is sent again.
    ...['--rexmit-hello-interval', '200'],
    // One receiver would turn it into a unicast sender, which late pings and other receivers do not hear.
    '--nopointopoint',
    ...['--start-timeout', String(plan.startTimeoutS)],
    ...['--portbase', String(plan.portBase)],
    ...(plan.mode === 'broadcast'
      ? ['--broadcast']
      : ['--mcast-data-address', plan.dataAddress, '--mcast-rdv-address', plan.rdvAddress]),
    ...['--ttl', String(plan.ttl)],
    '--nokbd',
    ...['--interface', plan.interface],
    ...['--log', plan.logPath],
    ...['--bw-period', '1'],
    // How often it tells on stderr how far it is and who acknowledged last, in ms; the default is 500.
    ...['--stat-period', '100'],
    ...(plan.maxMbit === undefined ? [] : ['--max-bitrate', rateOf(plan.maxMbit)]),
  ];
}

function unacknowledged(plan: SenderPlan): string[] {
  return ['--async', '--fec', plan.fec ?? DEFAULT_FEC, '--autostart', String(ONEWAY_HELLOS)];
}

function acknowledged(plan: SenderPlan): string[] {
  return [
    // Half duplex falls to 30 % of the wire at 42 receivers.
    '--full-duplex',
    ...['--slice-size', '512'],
    ...['--min-receivers', String(plan.receivers)],
    ...['--max-wait', String(plan.maxWaitS)],
    ...['--retries-until-drop', String(plan.retriesUntilDrop)],
  ];
}

/** In kilobits, so that 2.5 Mbit/s can be said. */
function rateOf(maxMbit: number): string {
  return `${Math.max(1, Math.floor(Math.min(maxMbit, MOST_MBIT) * 1000))}k`;
}
