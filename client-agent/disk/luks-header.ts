/**
 * What the header of a LUKS container says of it, read without opening it (cryptsetup, docs/on-disk-format.pdf and
 * docs/on-disk-format-luks2.pdf). Numbers are big-endian, texts end at their first zero byte.
 *
 * | offset | bytes | version 1 | version 2 |
 * |-------:|------:|---|---|
 * | 0 | 6 | `LUKS` ba be | the same |
 * | 6 | 2 | 1 | 2 |
 * | 8 | 32 | cipher name | 8 bytes: size of header and JSON; 8: sequence; then 48: label |
 * | 40 | 32 | cipher mode | |
 * | 72 | 32 | hash | 32: checksum algorithm; 104: 64: salt |
 * | 104 | 4 | payload offset in sectors of 512 bytes | |
 * | 108 | 4 | bytes of the volume key | |
 * | 168 | 40 | UUID | the same |
 * | 208 | 48 · 8 | eight key slots; the first four bytes are 00ac71f3 in one that is used | 48: subsystem |
 * | 448 | 64 | | checksum of header and JSON, with this field zero |
 * | 4096 | | | JSON, zero-padded |
 */
import { createHash } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { LuksContainer } from '#protocol/luks-container.ts';
import type { ReadBytes } from './lvm-metadata.ts';

const MAGIC = Buffer.from('LUKS\xba\xbe', 'latin1');
const HEAD_BYTES = 4096;
/** The largest metadata area of version 2. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;
const SECTOR_BYTES = 512;
const SLOTS = 8;
const SLOT_BYTES = 48;
const SLOT_IN_USE = 0x00ac71f3;

export interface LuksToken {
  readonly id: number;
  readonly type: string;
}

export interface LuksHeader extends Omit<LuksContainer, 'kind' | 'partition' | 'startBytes' | 'sizeBytes'> {
  /** Numbers of those in use. */
  readonly keySlots: readonly number[];
  /** What else than a passphrase or key file opens it: number and kind (systemd-tpm2, systemd-fido2 …). */
  readonly tokens: readonly LuksToken[];
}

/** The header at the start of what `read` reads; a string says why it is none that can be carried. */
export function readLuksHeader(read: ReadBytes, sizeBytes: number): LuksHeader | string {
  if (sizeBytes < 2 * HEAD_BYTES) return 'it is too small';
  const head = read(0, HEAD_BYTES);
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) return 'it has no header';
  const version = head.readUInt16BE(6);
  if (version === 1) return readVersion1(head);
  return version === 2 ? readVersion2(head, read, sizeBytes) : `its header has version ${version}`;
}

function readVersion1(head: Buffer): LuksHeader {
  const slots = Array.from({ length: SLOTS }, (_, i) => head.readUInt32BE(208 + i * SLOT_BYTES));
  return {
    version: 1,
    uuid: textAt(head, 168, 40),
    payloadOffsetBytes: head.readUInt32BE(104) * SECTOR_BYTES,
    cipher: `${textAt(head, 8, 32)}-${textAt(head, 40, 32)}`,
    keyBytes: head.readUInt32BE(108),
    sectorBytes: SECTOR_BYTES,
    hash: textAt(head, 72, 32),
    pbkdf: 'pbkdf2',
    keySlots: slots.flatMap((state, i) => (state === SLOT_IN_USE ? [i] : [])),
    tokens: [],
  };
}

const keySlotSchema = Type.Object({
  key_size: Type.Integer(),
  af: Type.Object({ hash: Type.String() }),
  kdf: Type.Object({ type: Type.Union([Type.Literal('pbkdf2'), Type.Literal('argon2i'), Type.Literal('argon2id')]) }),
});
const metadataSchema = Type.Object({
  keyslots: Type.Record(Type.String(), Type.Object({ type: Type.String() })),
  tokens: Type.Record(Type.String(), Type.Object({ type: Type.String() })),
  segments: Type.Record(Type.String(), Type.Object({ type: Type.String() })),
  config: Type.Object({
    flags: Type.Optional(Type.Array(Type.String())),
    requirements: Type.Optional(Type.Object({ mandatory: Type.Optional(Type.Array(Type.String())) })),
  }),
});
const segmentSchema = Type.Object({
  type: Type.Literal('crypt'),
  offset: Type.String({ pattern: '^[0-9]+$' }),
  size: Type.Literal('dynamic'),
  iv_tweak: Type.Literal('0'),
  encryption: Type.String(),
  sector_size: Type.Integer(),
  integrity: Type.Optional(Type.Undefined()),
});

function readVersion2(head: Buffer, read: ReadBytes, sizeBytes: number): LuksHeader | string {
  const headerBytes = Number(head.readBigUInt64BE(8));
  if (headerBytes <= HEAD_BYTES || headerBytes > MAX_HEADER_BYTES || headerBytes > sizeBytes) {
    return 'its header has no sensible size';
  }
  const whole = read(0, headerBytes);
  if (!isSound(whole)) return 'its header is damaged (cryptsetup repair)';
  const metadata = parseJson(whole.subarray(HEAD_BYTES));
  if (!Value.Check(metadataSchema, metadata)) return 'its header has an unknown form';
  const waiting = metadata.config.requirements?.mandatory ?? [];
  if (waiting.length > 0) return `it is being changed, or needs ${waiting.join(', ')}`;
  const [segment, ...others] = Object.values(metadata.segments);
  if (others.length > 0 || !Value.Check(segmentSchema, segment))
    return 'it is no plain container (integrity, or parts)';
  const slots = Object.values(metadata.keyslots);
  const slot = slots.find((one): one is Static<typeof keySlotSchema> & { type: string } =>
    Value.Check(keySlotSchema, one),
  );
  if (slot === undefined) return 'no passphrase opens it';
  const label = textAt(head, 24, 48);
  const subsystem = textAt(head, 208, 48);
  const { flags = [] } = metadata.config;
  return {
    version: 2,
    uuid: textAt(head, 168, 40),
    payloadOffsetBytes: Number(segment.offset),
    cipher: segment.encryption,
    keyBytes: slot.key_size,
    sectorBytes: segment.sector_size,
    hash: slot.af.hash,
    pbkdf: slot.kdf.type,
    ...(label === '' ? {} : { label }),
    ...(subsystem === '' ? {} : { subsystem }),
    ...(flags.length === 0 ? {} : { flags }),
    keySlots: Object.keys(metadata.keyslots).map(Number),
    tokens: Object.entries(metadata.tokens).map(([id, { type }]) => ({ id: Number(id), type })),
  };
}

/** Only SHA-256 is in use; another algorithm is as good as damage here. */
function isSound(whole: Buffer): boolean {
  if (textAt(whole, 72, 32) !== 'sha256') return false;
  const zeroed = Buffer.from(whole);
  zeroed.fill(0, 448, 512);
  return createHash('sha256').update(zeroed).digest().equals(whole.subarray(448, 480));
}

function textAt(bytes: Buffer, offset: number, length: number): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

function parseJson(bytes: Buffer): unknown {
  const end = bytes.indexOf(0);
  try {
    return JSON.parse(bytes.toString('utf8', 0, end === -1 ? bytes.length : end));
  } catch {
    return undefined;
  }
}
