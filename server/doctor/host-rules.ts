/** What is worth telling about one host: measurements in, findings out. Pure. */

import type { Finding } from '#protocol/admin/doctor-api.ts';
import type { CheckResult, DiskReading } from '#protocol/check.ts';
import type { ErrorBody } from '#protocol/errors.ts';
import { PROBE_DATAGRAM_BYTES } from '#protocol/probe.ts';
import { limits } from './limits.ts';

/** Why a host was not looked at, or what it measured. */
export type HostFacts =
  | { readonly state: 'pending' | 'asleep' | 'absent' | 'gone' }
  | { readonly state: 'busy'; readonly session: number }
  | { readonly state: 'failed'; readonly error: ErrorBody }
  | {
      readonly state: 'measured';
      readonly result: CheckResult;
      /** Its clock less the server's, when its answer came, in ms. */
      readonly clockOffsetMs: number;
      /** Of the server's interface; absent: unknown. */
      readonly serverMtu?: number | undefined;
      /** The probe that was sent, and how fast; absent: none was. */
      readonly probe?: { readonly count: number; readonly mbit: number } | undefined;
    };

type Measured = Extract<HostFacts, { state: 'measured' }>;
type HostFinding = Omit<Finding, 'host'>;

/** Every rule looks at one thing, and always has an answer. */
const rules: readonly ((facts: Measured, host: string) => HostFinding | HostFinding[])[] = [
  judgeMulticast,
  judgeLink,
  judgeAddress,
  judgeMtu,
  judgeBuffers,
  judgeDisks,
  judgeClock,
  judgeMemory,
];

export function judgeHost(host: string, facts: HostFacts): Finding[] {
  const found = facts.state === 'measured' ? rules.flatMap((rule) => rule(facts, host)) : [judgeState(host, facts)];
  return found.map((finding) => ({ host, ...finding }));
}

function judgeState(host: string, facts: Exclude<HostFacts, Measured>): HostFinding {
  switch (facts.state) {
    case 'pending':
      return unchecked('it waits for approval: not checked', `fleetcast host approve ${host}`);
    case 'asleep':
      return unchecked('asleep: not checked (--wake wakes it)', `fleetcast doctor --hosts ${host} --wake`);
    case 'busy':
      return unchecked(`busy with session ${facts.session}: not checked`, `fleetcast session show ${facts.session}`);
    case 'absent': {
      const next = `Look at its power, Wake-on-LAN and network boot order; then: fleetcast wake ${host}`;
      return { check: 'host', level: 'attention', text: 'was woken, and its agent did not come', next };
    }
    case 'gone': {
      const next = `Look at the host itself, then: fleetcast doctor --hosts ${host}`;
      return { check: 'host', level: 'attention', text: 'its agent did not answer to the end', next };
    }
    case 'failed':
      return { check: 'host', level: 'attention', text: facts.error.message, next: facts.error.next };
  }
}

function judgeMulticast({ result, probe }: Measured): HostFinding {
  const check = 'multicast';
  if (probe === undefined || result.heard === undefined) {
    return { check, level: 'unchecked', text: 'not tried while a session casts', next: 'Ask again when it has ended' };
  }
  const { count } = probe;
  const { heard, deafBecause } = result;
  const rate = formatMbit(probe.mbit);
  if (deafBecause !== undefined) {
    const next = 'Give its network a route for 224.0.0.0/4, or deploy with --mode unicast';
    return { check, level: 'attention', text: `cannot listen to multicast: ${deafBecause}`, next };
  }
  if (heard === 0) {
    const next = 'At its switch: IGMP snooping needs a querier; is it in the same VLAN? Meanwhile: --mode broadcast';
    return { check, level: 'attention', text: `deaf: heard none of ${count} datagrams of multicast`, next };
  }
  const heardPercent = (heard * 100) / count;
  const share = `heard ${heard} of ${count} datagrams at ${rate}`;
  if (100 - heardPercent <= limits.mostLossPercent) return { check, level: 'ok', text: share };
  if (heardPercent < limits.slowLinkHeardPercent) {
    const mbit = formatMbit(heardMbit(result, probe));
    const next = `Look for a slow port, a bad cable or storm control at its switch; or cap casts: [cast] max_mbit below ${mbit}`;
    return { check, level: 'attention', text: `${share}: something lets only about ${mbit} through`, next };
  }
  const text = `${share}: it loses ${(100 - heardPercent).toFixed(1)} % of multicast`;
  return { check, level: 'attention', text, next: 'Change its cable or switch port; casts repair it, but slow down' };
}

/** As fast as they came: a slow port goes on sending what it has in its buffer after the last was sent. */
function heardMbit({ heard = 0, heardMs = 0 }: CheckResult, { count, mbit }: { count: number; mbit: number }): number {
  const byShare = (mbit * heard) / count;
  if (heardMs === 0) return byShare;
  return Math.min(byShare, (heard * PROBE_DATAGRAM_BYTES * 8) / 1000 / heardMs);
}

function judgeLink({ result: { linkMbit } }: Measured): HostFinding {
  if (linkMbit === undefined) return { check: 'link', level: 'ok', text: 'its driver does not tell the speed' };
  const text = `the link has ${formatMbit(linkMbit)}`;
  if (linkMbit >= limits.leastLinkMbit) return { check: 'link', level: 'ok', text };
  const next = `Look at its cable (all eight wires) and switch port; all hosts of a cast wait for it: deploy it by itself`;
  return { check: 'link', level: 'attention', text, next };
}

function judgeAddress({ result }: Measured): HostFinding {
  if (result.hasBroadcast) return { check: 'address', level: 'ok', text: 'it has a broadcast address' };
  const text = `no broadcast address on ${result.interface}: udp-receiver would not find the sender`;
  return {
    check: 'address',
    level: 'attention',
    text,
    next: 'Let DHCP give the subnet mask (option 1) and broadcast (option 28)',
  };
}

function judgeMtu({ result, serverMtu }: Measured): HostFinding {
  const text = `MTU ${result.mtu}`;
  if (serverMtu === undefined || serverMtu === result.mtu) return { check: 'mtu', level: 'ok', text };
  const next = `Make them equal, on the server: ip link set dev INTERFACE mtu ${Math.min(serverMtu, result.mtu)}`;
  return { check: 'mtu', level: 'attention', text: `${text}, the server has ${serverMtu}`, next };
}

function judgeBuffers({ result: { receiveBufferBytes } }: Measured): HostFinding {
  const check = 'buffers';
  const text = `sockets may buffer ${formatMib(receiveBufferBytes)}`;
  if (receiveBufferBytes >= limits.leastReceiveBufferBytes) return { check, level: 'ok', text };
  const next = 'Boot it into the agent image of this version: fleetcast boot build';
  return { check, level: 'attention', text: `${text}: expect 5 to 20 % of a cast twice`, next };
}

function judgeDisks({ result: { disks } }: Measured, host: string): HostFinding[] {
  if (disks.length > 0) return disks.map((disk) => judgeDisk(disk, host));
  const next = `Look at its BIOS settings (RAID and VMD modes hide disks), then: fleetcast host show ${host}`;
  return [{ check: 'disk', level: 'attention', text: 'no disk that could be written', next }];
}

function judgeDisk(disk: DiskReading, host: string): HostFinding {
  const name = `${disk.model || 'disk'} ${disk.serial || disk.path}`;
  if (disk.problem !== undefined) {
    const text = `${name} cannot be read: ${disk.problem}`;
    return {
      check: 'disk',
      level: 'attention',
      text,
      next: `Exchange it; leave the host out until then: --hosts without ${host}`,
    };
  }
  if (disk.readBytes === 0) return { check: 'disk', level: 'note', text: `${name} is too small to be measured` };
  const bytesPerSecond = (disk.readBytes * 1000) / Math.max(disk.readMs, 0.001);
  const text = `${name} reads ${Math.round(bytesPerSecond / 1e6)} MB/s`;
  if (bytesPerSecond >= limits.leastDiskBytesPerSecond) return { check: 'disk', level: 'ok', text };
  const next = `Look at its health (smartctl -a ${disk.path} on the host); casts will park it and repair it afterwards`;
  return { check: 'disk', level: 'attention', text, next };
}

function judgeClock({ clockOffsetMs }: Measured): HostFinding {
  const seconds = Math.round(clockOffsetMs / 1000);
  if (Math.abs(clockOffsetMs) <= limits.mostClockOffsetMs) {
    return { check: 'clock', level: 'ok', text: `its clock is within ${Math.abs(seconds) + 1} s of the server's` };
  }
  const text = `its clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the server's`;
  return {
    check: 'clock',
    level: 'attention',
    text,
    next: 'Set it in the BIOS, in UTC; if it comes back, change the battery',
  };
}

function judgeMemory({ result: { memoryBytes, freeMemoryBytes } }: Measured): HostFinding {
  const text = `${formatMib(freeMemoryBytes)} of ${formatMib(memoryBytes)} memory free`;
  if (freeMemoryBytes >= limits.leastFreeMemoryBytes) return { check: 'memory', level: 'ok', text };
  const next = 'Give it more memory; with so little its buffer is small, and its disk paces it';
  return { check: 'memory', level: 'attention', text, next };
}

function unchecked(text: string, next: string): HostFinding {
  return { check: 'host', level: 'unchecked', text, next };
}

function formatMbit(mbit: number): string {
  return `${mbit >= 10 ? Math.round(mbit) : Number(mbit.toFixed(1))} Mbit/s`;
}

function formatMib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
