/**
 * The multicast probe before a cast: numbered datagrams that show which hosts hear nothing or lose much.
 *
 * | offset | bytes | what |
 * |---|---|---|
 * | 0 | 4 | magic `FCPB` |
 * | 4 | 8 | nonce of the probe |
 * | 12 | 4 | number, from 0, big-endian |
 * | 16 | to PROBE_DATAGRAM_BYTES | zeros: as long as a packet of a cast |
 */
import { type Static, Type } from 'typebox';

/** Payload of udp-sender's packets at an MTU of 1500, with its header: a probe must be as hard to carry as the cast. */
export const PROBE_DATAGRAM_BYTES = 1472;
const MAGIC = Buffer.from('FCPB');

/** How to hear one probe. */
export const probeOrderSchema = Type.Object({
  /** 8 bytes in hex: also its name. */
  nonce: Type.String(),
  group: Type.String(),
  port: Type.Integer(),
  /** Datagrams of one round; the numbers go on in the next. */
  count: Type.Integer(),
  /** Until then all must have come, in ms. */
  listenMs: Type.Integer(),
});
export type ProbeOrder = Static<typeof probeOrderSchema>;

export const probeHeardSchema = Type.Object({
  nonce: Type.String(),
  heard: Type.Integer(),
  /** How many were sent from the first to the last that was heard: those before went out while switches still noted who listens. */
  of: Type.Integer(),
  /** From the first to the last that was heard of each round, added up, in ms. */
  spanMs: Type.Optional(Type.Integer()),
});

/** `nonce`: 16 hex digits. `number`: of the datagram, from 0, through all rounds. */
export function makeProbeDatagram(nonce: string, number: number): Buffer {
  const bytes = Buffer.alloc(PROBE_DATAGRAM_BYTES);
  MAGIC.copy(bytes);
  bytes.write(nonce, 4, 8, 'hex');
  bytes.writeUInt32BE(number, 12);
  return bytes;
}

/** Its number; undefined when it is not of this probe. */
export function readProbeDatagram(bytes: Buffer, nonce: string): number | undefined {
  if (bytes.length !== PROBE_DATAGRAM_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) return undefined;
  return bytes.toString('hex', 4, 12) === nonce ? bytes.readUInt32BE(12) : undefined;
}
