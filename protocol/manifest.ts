/**
 * The manifest of one image version: layout, volumes, used extents and chunk ids. Its BLAKE3-256 is the version's id,
 * so it holds nothing that changes without the disk changing (no dates, no names). docs/formats/manifest.md
 *
 * | offset | bytes | field (numbers little-endian) |
 * |-------:|------:|-------|
 * |  0 | 4 | magic `FCMF` |
 * |  4 | 2 | format version: 2 when the head has `containers` or `moreDisks`, which a reader must know of, else 1 |
 * |  6 | 2 | zero |
 * |  8 | 4 | h = bytes of the head |
 * | 12 | 4 | e = bytes of the extent tables |
 * | 16 | 4 | n = number of chunks |
 * | 20 | 4 | zero |
 * | 24 | h | head: canonical JSON (keys sorted, no blanks), UTF-8 |
 * | 24+h | e | extent tables, one a volume in the head's order: LEB128 count of runs, then for each run LEB128 gap from the end of the run before and LEB128 length, in bytes |
 * | 24+h+e | 32·n | chunk ids, volume after volume, ascending chunk index |
 *
 * Which chunks exist follows from the extents (chunk.ts), so ids need no index. A chunk's *ordinal* is its place in that list.
 */
import { blake3 } from '@napi-rs/blake-hash';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { CHUNK_ID_BYTES, chunkIndicesOf, chunkLength, type Extents, isChunkSize } from './chunk.ts';
import { knownError } from './errors.ts';
import { layoutSchema } from './layout.ts';
import { luksContainerSchema } from './luks-container.ts';

/** The newest version that this program reads. */
export const MANIFEST_VERSION = 2;
const PLAIN_VERSION = 1;
const MAGIC = 0x464d4346; // "FCMF" read little-endian
const HEADER_BYTES = 24;

/** What the plan of a fit has to know of a physical volume of LVM (container.ts). */
export const physicalVolumeSchema = Type.Object({
  /** Size of an extent. */
  extentBytes: Type.Integer({ minimum: 512 }),
  /** How many extents the physical volume has, used or not. */
  extents: Type.Integer({ minimum: 0 }),
  /** Physical volumes of its group, this one included. */
  members: Type.Integer({ minimum: 1 }),
  /** Areas of metadata; a second one lies at the end. */
  areas: Type.Integer({ minimum: 0 }),
});

/** The container that a volume is part of; all parts of a container are volumes of their own, those of its metadata too. */
export const withinSchema = Type.Object({
  /** lvm: a physical volume · md: a member of a software mirror · luks: the payload of a LUKS container of the head. */
  kind: Type.Union([Type.Literal('lvm'), Type.Literal('md'), Type.Literal('luks')]),
  /** `group/volume`, or the group for LVM's own metadata; the id of an array; the UUID of a LUKS container. */
  name: Type.String(),
  /** Where in that volume this part begins, when it lies in several; absent: 0. */
  offsetBytes: Type.Optional(Type.Integer({ minimum: 0 })),
  /** At the first part of a physical volume only, which is its metadata; absent in images made before it was added. */
  pv: Type.Optional(physicalVolumeSchema),
  /** Part of a thin pool, a snapshot or its origin, a RAID or mirrored volume, a stripe set: more than bytes in a row. */
  special: Type.Optional(Type.Literal(true)),
  /** Kinds lvm and md: that container itself lies in the payload of the LUKS container with this UUID. */
  luks: Type.Optional(Type.String()),
});
export type Within = Static<typeof withinSchema>;

export const volumeHeadSchema = Type.Object({
  /** boot: from the partition table's end to the first partition; partition: what a partition carries; disk: a disk without a table. */
  kind: Type.Union([Type.Literal('boot'), Type.Literal('partition'), Type.Literal('disk')]),
  /** On which of several source disks it lies, counted from 0; absent: the first. */
  disk: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Partition number; absent in `boot` and `disk`. */
  partition: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Absent: it is all of the partition or disk. */
  within: Type.Optional(withinSchema),
  /** Where the volume lies on the source disk. */
  startBytes: Type.Integer({ minimum: 0 }),
  sizeBytes: Type.Integer({ minimum: 0 }),
  /** What blkid(8) calls it (ext4, vfat, ntfs, xfs, btrfs, swap …); absent when unknown. */
  filesystem: Type.Optional(Type.String()),
  /** How the used extents were found: `partclone.NAME`, or `raw` (not all zero), or `none` (nothing is carried). */
  map: Type.String(),
  /** A swap area carries no chunk: it is made again from these. */
  swap: Type.Optional(
    Type.Object({ uuid: Type.Optional(Type.String()), label: Type.Optional(Type.String()), pageBytes: Type.Integer() }),
  ),
});
export type VolumeHead = Static<typeof volumeHeadSchema>;

export const manifestHeadSchema = Type.Object({
  chunkBytes: Type.Integer(),
  hash: Type.Literal('blake3-256'),
  layout: layoutSchema,
  volumes: Type.Array(volumeHeadSchema),
  /** LUKS containers that were open: the volumes within them are carried in the clear. Absent: none (and format version 1). */
  containers: Type.Optional(Type.Array(luksContainerSchema, { minItems: 1 })),
  /** Layouts of the other source disks, whose volumes follow those of the first. Absent: there is one (and format version 1). */
  moreDisks: Type.Optional(Type.Array(layoutSchema, { minItems: 1, maxItems: 31 })),
});
export type ManifestHead = Static<typeof manifestHeadSchema>;

export interface Volume extends VolumeHead {
  readonly extents: Extents;
  /** Chunk indices that exist, ascending; `indices[i]` has ordinal `firstOrdinal + i`. */
  readonly indices: Uint32Array;
  readonly firstOrdinal: number;
}

export interface Manifest {
  /** Hex of the BLAKE3-256 of the encoded bytes. */
  readonly id: string;
  readonly head: ManifestHead;
  readonly volumes: readonly Volume[];
  readonly chunkCount: number;
  /** 32 bytes a chunk, by ordinal. */
  readonly ids: Uint8Array;
}

/** Where a chunk lies. */
export interface ChunkPlace {
  readonly volume: Volume;
  /** Byte offset in the volume. */
  readonly volumeOffset: number;
  /** Absolute byte offset on a disk laid out like the source. */
  readonly diskOffset: number;
  readonly plainBytes: number;
}

export interface VolumeContent {
  readonly head: VolumeHead;
  readonly extents: Extents;
}

/** Encodes a manifest; `ids` must hold one id for every chunk that the extents call for. */
export function encodeManifest(
  head: Omit<ManifestHead, 'volumes'>,
  volumes: readonly VolumeContent[],
  ids: Uint8Array,
): Buffer {
  const full: ManifestHead = { ...head, volumes: volumes.map((volume) => volume.head) };
  const json = Buffer.from(canonicalJson(full));
  const tables = Buffer.from(volumes.flatMap((volume) => encodeExtents(volume.extents)));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  // An older reader must not lay what was encrypted in the clear, nor several disks on one.
  const isPlain = full.containers === undefined && full.moreDisks === undefined;
  header.writeUInt16LE(isPlain ? PLAIN_VERSION : MANIFEST_VERSION, 4);
  header.writeUInt32LE(json.length, 8);
  header.writeUInt32LE(tables.length, 12);
  header.writeUInt32LE(ids.length / CHUNK_ID_BYTES, 16);
  return Buffer.concat([header, json, tables, ids]);
}

/**
 * Decodes and checks a manifest. Throws MANIFEST_NEWER, or MANIFEST_CORRUPT with the reason.
 * `expectedId` (hex) is compared with the hash when given.
 */
export function decodeManifest(bytes: Buffer, expectedId?: string): Manifest {
  const id = blake3(bytes).toString('hex');
  const corrupt = (problem: string) =>
    knownError('MANIFEST_CORRUPT', { manifest: (expectedId ?? id).slice(0, 16), problem });
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) throw corrupt('it does not begin with FCMF');
  const version = bytes.readUInt16LE(4);
  if (version > MANIFEST_VERSION) throw knownError('MANIFEST_NEWER', { found: version, known: MANIFEST_VERSION });
  if (expectedId !== undefined && id !== expectedId) throw corrupt('its hash is not its id');
  const headBytes = bytes.readUInt32LE(8);
  const tableBytes = bytes.readUInt32LE(12);
  const chunkCount = bytes.readUInt32LE(16);
  const idsAt = HEADER_BYTES + headBytes + tableBytes;
  if (bytes.length !== idsAt + chunkCount * CHUNK_ID_BYTES) throw corrupt('its length does not fit its header');

  const head = parseHead(bytes.subarray(HEADER_BYTES, HEADER_BYTES + headBytes), corrupt);
  const reader = { bytes: bytes.subarray(HEADER_BYTES + headBytes, idsAt), at: 0 };
  const volumes: Volume[] = [];
  let firstOrdinal = 0;
  for (const volumeHead of head.volumes) {
    const extents = readExtents(reader, volumeHead.sizeBytes);
    if (extents === undefined) throw corrupt('an extent table is not valid');
    const indices = chunkIndicesOf(extents, head.chunkBytes);
    volumes.push({ ...volumeHead, extents, indices, firstOrdinal });
    firstOrdinal += indices.length;
  }
  if (reader.at !== reader.bytes.length) throw corrupt('the extent tables are too long');
  if (firstOrdinal !== chunkCount) throw corrupt('extents and chunk ids do not fit each other');
  return { id, head, volumes, chunkCount, ids: bytes.subarray(idsAt) };
}

/** The id of a chunk: a view of 32 bytes. */
export function idAt(manifest: Manifest, ordinal: number): Uint8Array {
  return manifest.ids.subarray(ordinal * CHUNK_ID_BYTES, (ordinal + 1) * CHUNK_ID_BYTES);
}

/** Where the chunk with this ordinal lies. Throws RangeError when there is none. */
export function placeOf(manifest: Manifest, ordinal: number): ChunkPlace {
  for (const volume of manifest.volumes) {
    const at = ordinal - volume.firstOrdinal;
    if (at < 0 || at >= volume.indices.length) continue;
    const index = volume.indices[at]!;
    const volumeOffset = index * manifest.head.chunkBytes;
    return {
      volume,
      volumeOffset,
      diskOffset: volume.startBytes + volumeOffset,
      plainBytes: chunkLength(index, manifest.head.chunkBytes, volume.sizeBytes),
    };
  }
  throw new RangeError(`manifest ${manifest.id.slice(0, 16)} has no chunk ${ordinal}`);
}

/** First 8 bytes of a manifest id given in hex: what every frame carries. */
export function manifestTag(manifestId: string): Buffer {
  return Buffer.from(manifestId.slice(0, 16), 'hex');
}

/** JSON with sorted keys and no blanks, so that equal values have equal bytes. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
}

function parseHead(bytes: Buffer, corrupt: (problem: string) => Error): ManifestHead {
  let head: unknown;
  try {
    head = JSON.parse(bytes.toString());
  } catch {
    throw corrupt('its head is not JSON');
  }
  if (!Value.Check(manifestHeadSchema, head)) throw corrupt('its head does not fit the schema');
  if (head.volumes.some(({ disk = 0 }) => disk > (head.moreDisks?.length ?? 0))) throw corrupt('a volume of no disk');
  if (!isChunkSize(head.chunkBytes)) throw corrupt(`chunks of ${head.chunkBytes} bytes`);
  return head;
}

function encodeExtents(extents: Extents): number[] {
  const out: number[] = [];
  pushVarint(out, extents.length / 2);
  let position = 0;
  for (let i = 0; i < extents.length; i += 2) {
    pushVarint(out, extents[i]! - position);
    pushVarint(out, extents[i + 1]! - extents[i]!);
    position = extents[i + 1]!;
  }
  return out;
}

function readExtents(reader: { bytes: Uint8Array; at: number }, sizeBytes: number): Extents | undefined {
  const count = readVarint(reader);
  // A run takes at least two bytes: a larger count is garbage, and must not make us allocate.
  if (count === undefined || count * 2 > reader.bytes.length - reader.at) return undefined;
  const extents = new Float64Array(count * 2);
  let position = 0;
  for (let i = 0; i < count; i++) {
    const gap = readVarint(reader);
    const length = readVarint(reader);
    if (gap === undefined || length === undefined || length === 0 || (gap === 0 && i > 0)) return undefined;
    const start = position + gap;
    position = start + length;
    if (position > sizeBytes) return undefined;
    extents[i * 2] = start;
    extents[i * 2 + 1] = position;
  }
  return extents;
}

/** Unsigned LEB128 of a whole number below 2^53. */
function pushVarint(out: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
}

function readVarint(reader: { bytes: Uint8Array; at: number }): number | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 8; i++) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return Number.isSafeInteger(value) ? value : undefined;
    scale *= 0x80;
  }
  return undefined;
}
