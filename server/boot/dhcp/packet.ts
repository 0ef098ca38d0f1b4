/**
 * The DHCP packet (RFC 2131 §2, RFC 2132, RFC 3396).
 *
 * | at | bytes | field |
 * |---|---|---|
 * | 0 | 1 | op: 1 request, 2 reply |
 * | 1 | 1 | htype: 1 Ethernet |
 * | 2 | 1 | hlen: bytes of chaddr in use, up to 16 |
 * | 3 | 1 | hops |
 * | 4 | 4 | xid |
 * | 8 | 2 | secs |
 * | 10 | 2 | flags: 0x8000 "answer me by broadcast" |
 * | 12 | 4 | ciaddr: the client's address, when it has one and answers ARP |
 * | 16 | 4 | yiaddr: the address that it gets |
 * | 20 | 4 | siaddr: where the boot file is |
 * | 24 | 4 | giaddr: the relay agent |
 * | 28 | 16 | chaddr |
 * | 44 | 64 | sname, or options (option 52) |
 * | 108 | 128 | file, or options (option 52) |
 * | 236 | 4 | 99 130 83 99 |
 * | 240 | … | options: code, length, data; 0 is a pad, 255 the end |
 *
 * An option that comes several times is one long option in pieces (RFC 3396 §5), also across the fields, in the order
 * options, file, sname.
 */
import { type Ipv4, NO_ADDRESS } from './address.ts';
import { option } from './option.ts';

export const FLAG_BROADCAST = 0x8000;
export const OP_REQUEST = 1;
export const OP_REPLY = 2;
/** What every client takes: an IP datagram of 576 bytes (RFC 2131 §2) without its 28 bytes of headers. */
export const SAFE_PACKET_BYTES = 548;
/** BOOTP's length: relays and old ROMs drop what is shorter (RFC 1542 §2.1). */
export const MIN_PACKET_BYTES = 300;

const CHADDR_BYTES = 16;
const SNAME = { offset: 44, bytes: 64 };
const FILE = { offset: 108, bytes: 128 };
const COOKIE_OFFSET = 236;
const OPTIONS_OFFSET = 240;
const COOKIE = 0x63825363;
const PAD = 0;
const END = 255;
const MAX_PIECE_BYTES = 255;
const OVERLOAD_FILE = 1;
const OVERLOAD_SNAME = 2;

export interface DhcpPacket {
  readonly op: number;
  readonly htype: number;
  readonly hops: number;
  readonly xid: number;
  /** Seconds since the client began, as it says. */
  readonly secs: number;
  readonly flags: number;
  readonly ciaddr: Ipv4;
  readonly yiaddr: Ipv4;
  readonly siaddr: Ipv4;
  readonly giaddr: Ipv4;
  /** hlen bytes, 0 to 16. */
  readonly chaddr: Buffer;
  /** Latin-1, up to the first zero byte; empty when the field carried options. */
  readonly sname: string;
  /** As sname. */
  readonly file: string;
  /** By code, in the order of their first pieces; never 0, 52 or 255. */
  readonly options: ReadonlyMap<number, Buffer>;
}

/** Why bytes are not a DHCP packet. */
export type PacketFault = 'short' | 'bad-op' | 'bad-hlen' | 'no-cookie' | 'option-overrun' | 'no-end' | 'bad-overload';

/** Reads a packet; never throws. The buffers of the answer are views of `bytes` where that is possible. */
export function decodePacket(bytes: Buffer): DhcpPacket | PacketFault {
  if (bytes.length < OPTIONS_OFFSET) return 'short';
  if (bytes[0] !== OP_REQUEST && bytes[0] !== OP_REPLY) return 'bad-op';
  const hlen = bytes[2]!;
  if (hlen > CHADDR_BYTES) return 'bad-hlen';
  if (bytes.readUInt32BE(COOKIE_OFFSET) !== COOKIE) return 'no-cookie';

  const pieces = new Map<number, Buffer[]>();
  const fault = readOptions(bytes.subarray(OPTIONS_OFFSET), pieces, 'required');
  if (fault !== undefined) return fault;
  const overload = readOverload(pieces);
  if (typeof overload === 'string') return overload;
  for (const [field, bit] of [
    [FILE, OVERLOAD_FILE],
    [SNAME, OVERLOAD_SNAME],
  ] as const) {
    if ((overload & bit) === 0) continue;
    const inside = readOptions(bytes.subarray(field.offset, field.offset + field.bytes), pieces, 'optional');
    if (inside !== undefined) return inside;
  }
  pieces.delete(option.overload);

  const options = new Map<number, Buffer>();
  for (const [code, parts] of pieces) options.set(code, parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  return {
    op: bytes[0],
    htype: bytes[1]!,
    hops: bytes[3]!,
    xid: bytes.readUInt32BE(4),
    secs: bytes.readUInt16BE(8),
    flags: bytes.readUInt16BE(10),
    ciaddr: bytes.readUInt32BE(12),
    yiaddr: bytes.readUInt32BE(16),
    siaddr: bytes.readUInt32BE(20),
    giaddr: bytes.readUInt32BE(24),
    chaddr: bytes.subarray(28, 28 + hlen),
    sname: (overload & OVERLOAD_SNAME) === 0 ? readText(bytes, SNAME) : '',
    file: (overload & OVERLOAD_FILE) === 0 ? readText(bytes, FILE) : '',
    options,
  };
}

/**
 * Writes a packet of at most `maxBytes`. What does not fit into the options goes into `file` and `sname`, if they are empty;
 * undefined when it fits nowhere. Option 82 stays last in the options, as relays need it (RFC 3046 §2.2).
 */
export function encodePacket(packet: DhcpPacket, maxBytes = SAFE_PACKET_BYTES): Buffer | undefined {
  const relay = packet.options.get(option.relayAgent);
  const plain = [...packet.options].filter(([code]) => code !== option.relayAgent);
  const last = relay === undefined ? [] : cutOption(option.relayAgent, relay);
  const pieces = plain.flatMap(([code, data]) => cutOption(code, data));
  const room = maxBytes - OPTIONS_OFFSET - 1 - lengthOf(last);
  let tail: Buffer[] = pieces;
  let overload = 0;
  const fields = { file: Buffer.from(packet.file, 'latin1'), sname: Buffer.from(packet.sname, 'latin1') };
  if (fields.file.length > FILE.bytes || fields.sname.length > SNAME.bytes) return undefined;
  if (lengthOf(pieces) > room) {
    const main = takeWhileFits(pieces, room - 3);
    const inFile = packet.file === '' ? takeWhileFits(main.rest, FILE.bytes - 1) : { taken: [], rest: main.rest };
    const inSname =
      packet.sname === '' ? takeWhileFits(inFile.rest, SNAME.bytes - 1) : { taken: [], rest: inFile.rest };
    if (inSname.rest.length > 0) return undefined;
    if (inFile.taken.length > 0) overload |= OVERLOAD_FILE;
    if (inSname.taken.length > 0) overload |= OVERLOAD_SNAME;
    if (overload & OVERLOAD_FILE) fields.file = Buffer.concat([...inFile.taken, Buffer.of(END)]);
    if (overload & OVERLOAD_SNAME) fields.sname = Buffer.concat([...inSname.taken, Buffer.of(END)]);
    tail = [...main.taken, Buffer.of(option.overload, 1, overload)];
  }
  const body = [...tail, ...last, Buffer.of(END)];
  const bytes = Buffer.alloc(Math.max(MIN_PACKET_BYTES, OPTIONS_OFFSET + lengthOf(body)));
  if (bytes.length > maxBytes || packet.chaddr.length > CHADDR_BYTES) return undefined;
  bytes[0] = packet.op;
  bytes[1] = packet.htype;
  bytes[2] = packet.chaddr.length;
  bytes[3] = packet.hops;
  bytes.writeUInt32BE(packet.xid, 4);
  bytes.writeUInt16BE(packet.secs, 8);
  bytes.writeUInt16BE(packet.flags, 10);
  bytes.writeUInt32BE(packet.ciaddr, 12);
  bytes.writeUInt32BE(packet.yiaddr, 16);
  bytes.writeUInt32BE(packet.siaddr, 20);
  bytes.writeUInt32BE(packet.giaddr, 24);
  packet.chaddr.copy(bytes, 28);
  fields.sname.copy(bytes, SNAME.offset);
  fields.file.copy(bytes, FILE.offset);
  bytes.writeUInt32BE(COOKIE, COOKIE_OFFSET);
  Buffer.concat(body).copy(bytes, OPTIONS_OFFSET);
  return bytes;
}

/** The start of an answer: what RFC 2131 §4.3.1 (table 3) has copied from the request. */
export function replyTo(request: DhcpPacket): DhcpPacket {
  return {
    op: OP_REPLY,
    htype: request.htype,
    hops: 0,
    xid: request.xid,
    secs: 0,
    flags: request.flags,
    ciaddr: NO_ADDRESS,
    yiaddr: NO_ADDRESS,
    siaddr: NO_ADDRESS,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: '',
    file: '',
    options: new Map(),
  };
}

/** `52:54:00:77:00:01`; undefined when the hardware is not Ethernet or the address is no card's (zero, or a group's). */
export function macOf(packet: DhcpPacket): string | undefined {
  const { chaddr } = packet;
  if (packet.htype !== 1 || chaddr.length !== 6 || (chaddr[0]! & 1) === 1) return undefined;
  if (chaddr.every((byte) => byte === 0)) return undefined;
  return chaddr.toString('hex').replace(/..(?=.)/g, '$&:');
}

/** An option that holds one address; undefined when it is absent or has another length. */
export function addressOption(packet: DhcpPacket, code: number): Ipv4 | undefined {
  const data = packet.options.get(code);
  return data?.length === 4 ? data.readUInt32BE(0) : undefined;
}

/** Option 53; undefined (as in BOOTP) when it is absent or has another length than 1. */
export function messageTypeOf(packet: DhcpPacket): number | undefined {
  const data = packet.options.get(option.messageType);
  return data?.length === 1 ? data[0] : undefined;
}

function readOptions(
  area: Buffer,
  pieces: Map<number, Buffer[]>,
  end: 'required' | 'optional',
): PacketFault | undefined {
  let at = 0;
  while (at < area.length) {
    const code = area[at++]!;
    if (code === PAD) continue;
    if (code === END) return undefined;
    if (at >= area.length) return 'option-overrun';
    const length = area[at++]!;
    if (at + length > area.length) return 'option-overrun';
    const data = area.subarray(at, at + length);
    const known = pieces.get(code);
    if (known === undefined) pieces.set(code, [data]);
    else known.push(data);
    at += length;
  }
  return end === 'required' ? 'no-end' : undefined;
}

function readOverload(pieces: ReadonlyMap<number, Buffer[]>): number | PacketFault {
  const found = pieces.get(option.overload);
  if (found === undefined) return 0;
  const [data] = found;
  const value = found.length === 1 && data!.length === 1 ? data![0]! : 0;
  return value >= 1 && value <= 3 ? value : 'bad-overload';
}

function readText(bytes: Buffer, field: { offset: number; bytes: number }): string {
  const area = bytes.subarray(field.offset, field.offset + field.bytes);
  const zero = area.indexOf(0);
  return area.toString('latin1', 0, zero === -1 ? area.length : zero);
}

function cutOption(code: number, data: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at === 0 || at < data.length; at += MAX_PIECE_BYTES) {
    const part = data.subarray(at, at + MAX_PIECE_BYTES);
    pieces.push(Buffer.concat([Buffer.of(code, part.length), part]));
  }
  return pieces;
}

function takeWhileFits(pieces: readonly Buffer[], room: number): { taken: Buffer[]; rest: Buffer[] } {
  let used = 0;
  let count = 0;
  while (count < pieces.length && used + pieces[count]!.length <= room) used += pieces[count++]!.length;
  return { taken: pieces.slice(0, count), rest: pieces.slice(count) };
}

function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
