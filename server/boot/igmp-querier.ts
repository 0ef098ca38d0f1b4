/**
 * Looks for the IGMP querier of a network. A querier asks who else listens when somebody leaves a group (RFC 3376, 6.6.3.1; RFC 2236, 3),
 * so a group that nobody else has is joined and left, and its question is listened for on the wire (packet(7), through koffi).
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Clock } from '#system/clock.ts';
import { type Libc, loadLibc } from '#system/libc.ts';
import { formatAddress } from './dhcp/address.ts';

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const ETH_P_IP = 0x0800;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_ALLMULTI = 2;
const IGMP = 2;
const MEMBERSHIP_QUERY = 0x11;

/** A leave may be lost, and a querier may be the switch, which takes its time: in ms. */
const TRIES = 2;
const JOINED_MS = 600;
const LISTEN_MS = 2000;
const POLL_MS = 50;
/** Packets of others that are looked at in one go: a busy network must not hold the daemon up. */
const MOST_AT_ONCE = 500;

/** The querier's address, 0.0.0.0 when it has none; `silent`: none asked; `unknown`: this process may not listen (koffi, CAP_NET_RAW). */
export type QuerierFinding = { readonly address: string } | 'silent' | 'unknown';

/** Takes some seconds. Throws AbortError, and what joining a group throws (no multicast on the interface). */
export async function findQuerier(o: {
  readonly interface: string;
  readonly address: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<QuerierFinding> {
  const libc = await loadLibc();
  const fd = libc === undefined ? undefined : listenOn(libc, o.interface);
  if (libc === undefined || fd === undefined) return 'unknown';
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      await joinAndLeave(o);
      for (let waitedMs = 0; waitedMs < LISTEN_MS; waitedMs += POLL_MS) {
        const address = readQuery(libc, fd);
        if (address !== undefined) return { address };
        await o.clock.sleep(POLL_MS, o.signal);
      }
    }
    return 'silent';
  } finally {
    libc.close(fd);
  }
}

/** The sender of an IGMP query, from an IPv4 packet; undefined when it is something else. */
export function queryFrom(packet: Buffer): string | undefined {
  const headerBytes = (packet[0]! & 0x0f) * 4;
  if (packet.length < headerBytes + 8 || packet[0]! >> 4 !== 4 || packet[9] !== IGMP) return undefined;
  return packet[headerBytes] === MEMBERSHIP_QUERY ? formatAddress(packet.readUInt32BE(12)) : undefined;
}

async function joinAndLeave({ address, clock, signal }: { address: string; clock: Clock; signal: AbortSignal }) {
  const group = `239.192.79.${randomInt(1, 255)}`;
  const socket = createSocket('udp4');
  try {
    socket.bind(0, address);
    await once(socket, 'listening');
    socket.addMembership(group, address);
    await clock.sleep(JOINED_MS, signal);
    socket.dropMembership(group, address);
  } finally {
    socket.close();
  }
}

/** A socket that hears every IPv4 packet that comes in, those to groups that were left too. */
function listenOn(libc: Libc, device: string): number | undefined {
  const protocol = ((ETH_P_IP & 0xff) << 8) | (ETH_P_IP >> 8);
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return undefined;
  const index = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'latin1'));
  // struct sockaddr_ll and struct packet_mreq: protocol in the network's order, the rest in the machine's.
  const where = Buffer.alloc(20);
  where.writeUInt16LE(AF_PACKET, 0);
  where.writeUInt16BE(ETH_P_IP, 2);
  where.writeInt32LE(index, 4);
  const membership = Buffer.alloc(16);
  membership.writeInt32LE(index, 0);
  membership.writeUInt16LE(PACKET_MR_ALLMULTI, 4);
  const hears =
    libc.bind(fd, where, where.length) === 0 &&
    libc.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, membership.length) === 0;
  if (hears) return fd;
  libc.close(fd);
  return undefined;
}

function readQuery(libc: Libc, fd: number): string | undefined {
  const packet = Buffer.alloc(256);
  for (let seen = 0; seen < MOST_AT_ONCE; seen++) {
    const bytes = Number(libc.recv(fd, packet, packet.length, 0));
    if (bytes <= 0) return undefined;
    const address = queryFrom(packet.subarray(0, bytes));
    if (address !== undefined) return address;
  }
  return undefined;
}
