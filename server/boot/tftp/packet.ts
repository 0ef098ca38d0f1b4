/**
 * The TFTP packets (RFC 1350 §5, RFC 2347).
 *
 * | opcode | packet | behind the opcode |
 * |---|---|---|
 * | 1, 2 | RRQ, WRQ | file name, 0, mode, 0, then pairs of option name, 0, value, 0 |
 * | 3 | DATA | block number (2 bytes), 0 to blksize bytes |
 * | 4 | ACK | block number |
 * | 5 | ERROR | code (2 bytes), text, 0 |
 * | 6 | OACK | pairs as in RRQ |
 */

export const opcode = { readRequest: 1, writeRequest: 2, data: 3, ack: 4, error: 5, optionAck: 6 } as const;

/** RFC 1350 §5 and RFC 2347 (8). */
export const errorCode = {
  notDefined: 0,
  fileNotFound: 1,
  accessViolation: 2,
  illegalOperation: 4,
  unknownTransfer: 5,
  optionsRefused: 8,
} as const;

/** RFC 2347 §2: a request fits into 512 bytes. A few firmware files carry long paths, so twice that is read. */
const MAX_REQUEST_BYTES = 1024;

export type TftpPacket =
  | {
      readonly kind: 'read' | 'write';
      readonly name: string;
      /** Lower case. */
      readonly mode: string;
      /** Lower-case names; the first of equal ones counts. */
      readonly options: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'ack'; readonly block: number }
  | { readonly kind: 'error'; readonly code: number; readonly text: string }
  /** DATA and OACK: what a server never gets from an honest client. */
  | { readonly kind: 'for-clients' };

/** Why bytes are not a TFTP packet. */
export type TftpFault = 'short' | 'unknown-opcode' | 'request-too-long' | 'request-malformed';

/** Never throws. */
export function decodeTftp(bytes: Buffer): TftpPacket | TftpFault {
  if (bytes.length < 4) return 'short';
  switch (bytes.readUInt16BE(0)) {
    case opcode.readRequest:
      return decodeRequest(bytes, 'read');
    case opcode.writeRequest:
      return decodeRequest(bytes, 'write');
    case opcode.ack:
      // Some ROMs pad an ACK to the least length of an Ethernet packet (a guess: dnsmasq takes them too).
      return { kind: 'ack', block: bytes.readUInt16BE(2) };
    case opcode.error:
      return { kind: 'error', code: bytes.readUInt16BE(2), text: untilZero(bytes.subarray(4)) };
    case opcode.data:
    case opcode.optionAck:
      return { kind: 'for-clients' };
    default:
      return 'unknown-opcode';
  }
}

/** The four bytes before the data of a block. */
export function dataHeader(block: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt16BE(opcode.data, 0);
  bytes.writeUInt16BE(block & 0xffff, 2);
  return bytes;
}

/** OACK (RFC 2347): the options that are taken, with the values that hold. */
export function encodeOptionAck(options: ReadonlyMap<string, string>): Buffer {
  const pairs = [...options].map(([name, value]) => `${name}\0${value}\0`).join('');
  return Buffer.concat([Buffer.of(0, opcode.optionAck), Buffer.from(pairs, 'latin1')]);
}

/** ERROR (RFC 1350 §5): `code` 0 to 8, `text` for people. */
export function encodeError(code: number, text: string): Buffer {
  return Buffer.concat([Buffer.of(0, opcode.error, 0, code), Buffer.from(`${text}\0`, 'latin1')]);
}

function decodeRequest(bytes: Buffer, kind: 'read' | 'write'): TftpPacket | TftpFault {
  if (bytes.length > MAX_REQUEST_BYTES) return 'request-too-long';
  // What stands behind the last zero is no string: some ROMs pad their requests with garbage.
  const strings = bytes
    .toString('latin1', 2, bytes.lastIndexOf(0) + 1)
    .split('\0')
    .slice(0, -1);
  const [name, mode, ...pairs] = strings;
  if (name === undefined || mode === undefined || name === '' || !/^[\x20-\x7e]+$/.test(name))
    return 'request-malformed';
  if (!/^[a-z]+$/i.test(mode)) return 'request-malformed';
  const options = new Map<string, string>();
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const option = pairs[i]!.toLowerCase();
    if (option !== '' && !options.has(option)) options.set(option, pairs[i + 1]!);
  }
  return { kind, name, mode: mode.toLowerCase(), options };
}

function untilZero(bytes: Buffer): string {
  const zero = bytes.indexOf(0);
  return bytes.toString('latin1', 0, zero === -1 ? bytes.length : zero);
}
