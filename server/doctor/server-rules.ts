/** What is worth telling about the server itself: facts in, findings out. Pure. */

import type { Finding, FindingLevel } from '#protocol/admin/doctor-api.ts';
import type { ErrorBody } from '#protocol/errors.ts';
import type { DhcpMode } from '../boot/boot-interface.ts';
import { judgeServers, type RivalFinding, type SeenServer } from '../boot/dhcp/rival-watch.ts';
import type { QuerierFinding } from '../boot/igmp-querier.ts';
import type { DeploymentNetwork } from '../network.ts';
import { limits } from './limits.ts';
import type { LinkState } from './link-state.ts';

/** What nobody could find out, and why. */
export interface Unknown {
  readonly unknown: string;
}

export interface ServerFacts {
  /** The daemon that answers on the socket: the one that asks, another process, or none. */
  readonly daemon: 'this' | 'another' | 'none';
  readonly socket: string;
  readonly network: DeploymentNetwork | ErrorBody;
  /** Absent: there is no interface to look at. */
  readonly link?: LinkState | Unknown;
  readonly dhcpMode: DhcpMode;
  readonly dhcpServers?: readonly SeenServer[] | Unknown;
  readonly querier?: QuerierFinding | Unknown;
  /** Ports that the daemon needs and cannot have; absent: a daemon has them. */
  readonly takenPorts?: readonly ErrorBody[];
  readonly receiveBufferBytes: number;
  /** Version of the Debian package; empty: it is there, whatever it is. */
  readonly udpSender: string | ErrorBody;
  readonly isClockSynchronised: boolean | undefined;
  /** By kind of machine, the files that are missing. */
  readonly bootFilesMissing: Readonly<Record<string, readonly string[]>>;
  /** `absent`: not made yet. Else what is wrong with it; undefined: nothing. */
  readonly database: 'absent' | 'good' | { readonly problem: string };
  readonly space: { readonly path: string; readonly freeBytes: number; readonly largest?: LargestImage } | Unknown;
}

export interface LargestImage {
  readonly image: string;
  /** As it is stored. */
  readonly bytes: number;
}

/** Every rule looks at one thing. What could not be looked at because of an earlier finding has none. */
const rules: readonly ((facts: ServerFacts) => Finding[])[] = [
  judgeDaemon,
  judgeNetwork,
  judgeLink,
  judgeDhcp,
  judgeQuerier,
  judgePorts,
  judgeBuffers,
  judgePrograms,
  judgeBoot,
  judgeDatabase,
  judgeSpace,
  judgeClock,
];

export function judgeServer(facts: ServerFacts): Finding[] {
  return rules.flatMap((rule) => rule(facts));
}

function judgeDaemon({ daemon, socket }: ServerFacts): Finding[] {
  if (daemon !== 'none') return [finding('daemon', 'ok', `the daemon answers on ${socket}`)];
  return [finding('daemon', 'note', `no daemon answers on ${socket}`, 'Start it: fleetcast serve')];
}

function judgeNetwork({ network }: ServerFacts): Finding[] {
  if ('code' in network) return [finding('interface', 'attention', network.message, network.next)];
  return [finding('interface', 'ok', `${network.interface} has ${network.address}`)];
}

function judgeLink({ network, link }: ServerFacts): Finding[] {
  if ('code' in network || link === undefined) return [];
  if ('unknown' in link) return [unchecked('link', link.unknown)];
  const { interface: name, address } = network;
  if (!link.isUp) return [finding('link', 'attention', `${name} is down`, `ip link set dev ${name} up`)];
  if (!link.hasCarrier)
    return [finding('link', 'attention', `${name} has no carrier`, 'Plug in its cable; is the switch on?')];
  const broadcast =
    link.broadcast !== undefined
      ? finding('address', 'ok', `its broadcast address is ${link.broadcast}`)
      : finding(
          'address',
          'attention',
          `${name} has no broadcast address: hosts are not woken and do not find the sender`,
          `ip address change ${address}/${link.prefixLength} brd + dev ${name}`,
        );
  return [broadcast, judgeSpeed(name, link), finding('mtu', 'ok', `MTU ${link.mtu}`)];
}

function judgeSpeed(name: string, { mbit, duplex }: LinkState): Finding {
  if (mbit === undefined) return finding('link', 'ok', `${name} has a carrier; its driver does not tell the speed`);
  const text = `${name} has ${mbit} Mbit/s${duplex === undefined ? '' : `, ${duplex} duplex`}`;
  const next = 'Look at its cable (all eight wires) and at the switch port: every cast goes through it';
  return mbit < limits.leastLinkMbit || duplex === 'half'
    ? finding('link', 'attention', text, next)
    : finding('link', 'ok', text);
}

function judgeDhcp({ network, dhcpMode, dhcpServers }: ServerFacts): Finding[] {
  if ('code' in network || dhcpServers === undefined) return [];
  if ('unknown' in dhcpServers) return [unchecked('dhcp', dhcpServers.unknown)];
  const mode = dhcpMode === 'full' ? 'full' : 'proxy';
  const found = judgeServers(mode, dhcpServers, network.interface).flatMap((rival) => judgeRival(rival, dhcpMode));
  if (found.length > 0) return found;
  const givers = dhcpServers.map(({ address }) => address).join(', ');
  const text = givers === '' ? 'no other DHCP server answers' : `one DHCP server gives addresses: ${givers}`;
  return [finding('dhcp', 'ok', text)];
}

function judgeRival({ action, text }: RivalFinding, mode: DhcpMode): Finding[] {
  // Its sentence for the audit log says what to do as well.
  const fact = text.split(/[.:] (?=[A-Z]|machines)/)[0]!;
  if (action === 'second-boot-server') {
    if (mode === 'external') return [];
    const next = 'Remove its boot file there (DHCP options 66 and 67), or let it do all: [boot] dhcp = "external"';
    return [finding('dhcp', 'attention', fact, next)];
  }
  if (action === 'no-dhcp-server') {
    const next = 'Start one, or set [boot] dhcp = "full" with a [[boot.subnet]]';
    return [finding('dhcp', mode === 'off' ? 'note' : 'attention', fact, next)];
  }
  const next =
    mode === 'full'
      ? 'Switch it off there, or set [boot] dhcp = "proxy"; whose it is: ip neighbour show'
      : 'Switch off the one that is not meant to; whose they are: ip neighbour show';
  return [finding('dhcp', 'attention', fact, next)];
}

/** Without snooping nobody needs a querier, so its absence alone is no fault. */
function judgeQuerier({ querier }: ServerFacts): Finding[] {
  if (querier === undefined) return [];
  if (querier === 'unknown') return [unchecked('igmp', 'needs the npm package koffi, and root or CAP_NET_RAW')];
  if (querier === 'silent') {
    const text =
      'no IGMP querier answered: a switch with IGMP snooping forgets receivers after some minutes, in mid-cast';
    const next =
      'If your switches snoop, switch on their querier (ip igmp snooping querier); unmanaged switches need none';
    return [finding('igmp', 'note', text, next)];
  }
  if ('unknown' in querier) return [unchecked('igmp', querier.unknown)];
  const who = querier.address === '0.0.0.0' ? 'a switch without an address of its own' : querier.address;
  return [finding('igmp', 'ok', `an IGMP querier answers: ${who}`)];
}

function judgePorts({ takenPorts }: ServerFacts): Finding[] {
  if (takenPorts === undefined) return [];
  if (takenPorts.length === 0) return [finding('ports', 'ok', 'the ports of the daemon are free')];
  return takenPorts.map(({ message, next }) => finding('ports', 'attention', message, next));
}

function judgeBuffers({ receiveBufferBytes }: ServerFacts): Finding[] {
  const text = `net.core.rmem_max is ${receiveBufferBytes}`;
  if (receiveBufferBytes >= limits.leastReceiveBufferBytes) return [finding('buffers', 'ok', text)];
  const setting = `net.core.rmem_max=${limits.leastReceiveBufferBytes}`;
  const next = `sysctl -w ${setting}   (to keep it: echo ${setting} > /etc/sysctl.d/90-fleetcast.conf)`;
  return [finding('buffers', 'attention', `${text}: answers of many hosts at once are lost`, next)];
}

function judgePrograms({ udpSender }: ServerFacts): Finding[] {
  if (typeof udpSender !== 'string') return [finding('programs', 'attention', udpSender.message, udpSender.next)];
  return [finding('programs', 'ok', `udp-sender is there${udpSender === '' ? '' : `, udpcast ${udpSender}`}`)];
}

function judgeBoot({ bootFilesMissing }: ServerFacts): Finding[] {
  const kinds = Object.entries(bootFilesMissing);
  const ready = kinds.filter(([, files]) => files.length === 0).map(([kind]) => kind);
  if (ready.length > 0) return [finding('boot', 'ok', `machines can boot the agent: ${ready.join('; ')}`)];
  return [
    finding('boot', 'attention', 'there are no boot assets: no machine can boot the agent', 'fleetcast boot build'),
  ];
}

function judgeDatabase({ database }: ServerFacts): Finding[] {
  if (database === 'good') return [finding('database', 'ok', 'the database can be read')];
  if (database === 'absent')
    return [finding('database', 'note', 'there is no database yet', 'Make it: fleetcast serve')];
  const next = 'Stop the daemon, put back the newest copy fleetcast.db.before-N, and start it';
  return [finding('database', 'attention', `the database is damaged: ${database.problem}`, next)];
}

function judgeSpace({ space }: ServerFacts): Finding[] {
  if ('unknown' in space) return [unchecked('space', space.unknown)];
  const { path, freeBytes, largest } = space;
  const wanted = Math.max(limits.leastFreeStoreBytes, largest?.bytes ?? 0);
  const than = largest === undefined ? '' : `; the largest image, ${largest.image}, has ${formatGb(largest.bytes)}`;
  const text = `${formatGb(freeBytes)} free in ${path}${than}`;
  if (freeBytes >= wanted) return [finding('space', 'ok', text)];
  return [finding('space', 'attention', text, 'fleetcast image remove NAME@VERSION, then: fleetcast image prune')];
}

function judgeClock({ isClockSynchronised }: ServerFacts): Finding[] {
  if (isClockSynchronised === undefined) return [unchecked('clock', 'nobody says whether the clock is synchronised')];
  if (isClockSynchronised) return [finding('clock', 'ok', 'the clock is synchronised')];
  const text = 'the clock follows no time server: schedules and logs are as wrong as it is';
  return [finding('clock', 'attention', text, 'timedatectl set-ntp true   (or install chrony)')];
}

function unchecked(check: string, why: string): Finding {
  return finding(check, 'unchecked', `could not be checked: ${why}`);
}

function finding(check: string, level: FindingLevel, text: string, next?: string): Finding {
  return { check, level, text, ...(next === undefined ? {} : { next }) };
}

function formatGb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
