/**
 * What a physical volume of LVM2 says about itself: which bytes belong to which logical volume. Read from its own metadata, so
 * that nothing is activated, locked or changed (lvm2 source, lib/label/label.h and lib/format_text/layout.h).
 *
 * | where | bytes | field (little-endian) |
 * |---|---:|---|
 * | sector 0–3 | 8 | `LABELONE` |
 * | +8 | 8 | number of this sector |
 * | +20 | 4 | offset from here to the header of the volume |
 * | +24 | 8 | `LVM2 001` |
 * | header | 32 | id, without dashes |
 * | +32 | 8 | size of the device |
 * | +40 | 16 n | data areas (offset, size), ended by zeros; then metadata areas, ended by zeros |
 * | metadata area +4 | 16 | ` LVM2 x[5A%r0N*>` |
 * | +24 | 16 | start and size of the area |
 * | +40 | 24 | where the text lies: offset in the area, size, CRC, flags; the text wraps at the area's end to byte 512 of it |
 */
import { crc32 } from 'node:zlib';
import { type ConfigSection, isSection, parseConfig, sectionOf } from './lvm-text.ts';

const SECTOR_BYTES = 512;
const LABEL_SECTORS = 4;
const LABEL_MAGIC = 'LABELONE';
const LABEL_TYPE = 'LVM2 001';
const AREA_MAGIC = ' LVM2 x[5A%r0N*>';
const AREA_HEADER_BYTES = 512;
/** Of the flags (lib/format_text/layout.h, RAW_LOCN_IGNORED): nobody keeps this text up to date, `pvchange --metadataignore y`. */
const IS_IGNORED = 1;
const MAX_AREAS = 32;
/** Metadata of a group with thousands of volumes is some MiB. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024;
/** lvm2 source, lib/misc/crc.h: the start value of its CRC-32, which is not inverted. */
const CRC_START = 0xf597a6cf;

export interface ByteRange {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/** A run of one logical volume that lies on this physical volume in one piece. */
export interface LvmRun extends ByteRange {
  /** `group/volume`. */
  readonly name: string;
  /** Where the run begins in the logical volume, and how large that is, in bytes. */
  readonly offsetBytes: number;
  readonly wholeBytes: number;
  /** A plain piece of a volume that people use; false: part of a mirror, a thin pool, a snapshot, a stripe set … */
  readonly isPlain: boolean;
}

export interface PhysicalVolume {
  readonly group: string;
  readonly extentBytes: number;
  /** How many it has, used or not. */
  readonly extents: number;
  /** Physical volumes of the group, this one included. */
  readonly members: number;
  /** Areas of metadata on this one. */
  readonly areas: number;
  /** Where data begins. */
  readonly dataStartBytes: number;
  /** Labels and metadata, in bytes of the volume, ascending; they do not reach into the data. */
  readonly metadata: readonly ByteRange[];
  /** Ascending by place. */
  readonly runs: readonly LvmRun[];
}

export type ReadBytes = (offset: number, length: number) => Buffer;

/** Reads the metadata of the volume behind `read`, of `sizeBytes`. A string is the reason why it makes no sense. */
export function readPhysicalVolume(read: ReadBytes, sizeBytes: number): PhysicalVolume | string {
  const found = readGroup(read, sizeBytes);
  return typeof found === 'string' ? found : describe(found, sizeBytes);
}

/** What the volume says of its whole group. */
export interface GroupText {
  readonly config: ConfigSection;
  /** Of this physical volume, without dashes. */
  readonly id: string;
  readonly metadataAreas: readonly ByteRange[];
}

/** As readPhysicalVolume, not yet understood. */
export function readGroup(read: ReadBytes, sizeBytes: number): GroupText | string {
  const label = findLabel(read);
  if (label === undefined) return 'it has no label of LVM2';
  const { metadataAreas } = label;
  const texts = metadataAreas.map((area) => readText(read, area, sizeBytes)).filter((found) => found !== undefined);
  if (texts.length === 0) return 'none of its metadata areas can be read';
  const configs = texts.map((text) => parseConfig(text)).filter((found) => found !== undefined);
  // Where an area could not be written its text is an older one.
  const newest = configs.toSorted((a, b) => sequenceOf(b) - sequenceOf(a))[0];
  return newest === undefined ? 'its metadata cannot be understood' : { ...label, config: newest };
}

function sequenceOf(config: ConfigSection): number {
  const group = Object.values(config).find(isSection);
  return Number(group?.seqno ?? 0);
}

interface Label {
  readonly id: string;
  readonly metadataAreas: readonly ByteRange[];
}

function findLabel(read: ReadBytes): Label | undefined {
  const bytes = read(0, LABEL_SECTORS * SECTOR_BYTES);
  for (let sector = 0; sector < LABEL_SECTORS; sector++) {
    const at = sector * SECTOR_BYTES;
    const isLabel =
      bytes.toString('latin1', at, at + 8) === LABEL_MAGIC && Number(bytes.readBigUInt64LE(at + 8)) === sector;
    if (!isLabel || bytes.toString('latin1', at + 24, at + 32) !== LABEL_TYPE) continue;
    const header = at + bytes.readUInt32LE(at + 20);
    if (header + 40 > bytes.length) return undefined;
    const areas = { at: header + 40, bytes };
    readAreas(areas);
    return { id: bytes.toString('latin1', header, header + 32), metadataAreas: readAreas(areas) };
  }
  return undefined;
}

function readAreas(cursor: { bytes: Buffer; at: number }): ByteRange[] {
  const areas: ByteRange[] = [];
  while (areas.length < MAX_AREAS && cursor.at + 16 <= cursor.bytes.length) {
    const startBytes = Number(cursor.bytes.readBigUInt64LE(cursor.at));
    const sizeBytes = Number(cursor.bytes.readBigUInt64LE(cursor.at + 8));
    cursor.at += 16;
    if (startBytes === 0) break;
    areas.push({ startBytes, sizeBytes });
  }
  return areas;
}

/** The text of a metadata area, if its checksum is right. */
function readText(read: ReadBytes, area: ByteRange, volumeBytes: number): string | undefined {
  if (area.startBytes + area.sizeBytes > volumeBytes || area.sizeBytes < AREA_HEADER_BYTES) return undefined;
  const header = read(area.startBytes, AREA_HEADER_BYTES);
  if (header.toString('latin1', 4, 20) !== AREA_MAGIC) return undefined;
  const offset = Number(header.readBigUInt64LE(40));
  const length = Number(header.readBigUInt64LE(48));
  const isIgnored = (header.readUInt32LE(60) & IS_IGNORED) !== 0;
  const isSane = offset >= AREA_HEADER_BYTES && offset < area.sizeBytes && length > 0 && length <= MAX_TEXT_BYTES;
  if (isIgnored || !isSane || length > area.sizeBytes - AREA_HEADER_BYTES) return undefined;
  const first = Math.min(length, area.sizeBytes - offset);
  const text = Buffer.concat([
    read(area.startBytes + offset, first),
    ...(first < length ? [read(area.startBytes + AREA_HEADER_BYTES, length - first)] : []),
  ]);
  return lvmCrc(text) === header.readUInt32LE(56) ? text.toString('utf8').replace(/\0+$/, '') : undefined;
}

/** CRC-32 without the inversions before and after, which zlib does. */
function lvmCrc(bytes: Buffer): number {
  return ~crc32(bytes, ~CRC_START >>> 0) >>> 0;
}

/** The section of the group, and that of this physical volume in it with its name there; a string is the reason why there is none. */
export function sectionsOf({ config, id }: Pick<GroupText, 'config' | 'id'>) {
  const [group, content] = Object.entries(config).find(([, value]) => isSection(value)) ?? [];
  if (group === undefined || !isSection(content)) return 'its metadata names no group';
  const members = Object.entries(sectionOf(content, 'physical_volumes'));
  const own = members.find(([, pv]) => isSection(pv) && String(pv.id).replaceAll('-', '') === id);
  if (own === undefined || !isSection(own[1])) return `it is no member of its group ${group}`;
  return { group, content, pvName: own[0], pv: own[1], members: members.length };
}

function describe(text: GroupText, sizeBytes: number): PhysicalVolume | string {
  const { metadataAreas } = text;
  const sections = sectionsOf(text);
  if (typeof sections === 'string') return sections;
  const { group, content, pvName, pv, members } = sections;
  const extentBytes = Number(content.extent_size) * SECTOR_BYTES;
  const extents = Number(pv.pe_count);
  const dataStartBytes = Number(pv.pe_start) * SECTOR_BYTES;
  const logical = sectionOf(content, 'logical_volumes');
  const strange = findStrangeSegment(logical, pvName);
  if (strange !== undefined) return strange;
  const shared = namesInSnapshots(logical);
  const runs = Object.entries(logical).flatMap(([name, lv]) =>
    isSection(lv) ? runsOf(`${group}/${name}`, lv, pvName, extentBytes, dataStartBytes, shared.has(name)) : [],
  );
  runs.sort((a, b) => a.startBytes - b.startBytes);
  const isSane = runs.every((run, i) => {
    const before = runs[i - 1];
    const from = before === undefined ? dataStartBytes : before.startBytes + before.sizeBytes;
    return run.startBytes >= from && run.sizeBytes > 0 && run.startBytes + run.sizeBytes <= sizeBytes;
  });
  if (!isSane || ![dataStartBytes, extentBytes, extents].every(Number.isSafeInteger))
    return 'its metadata contradicts itself';
  // The labels lie before the first area, which lies before the data; a second area may lie at the end.
  const lastEnd = runs.reduce((end, run) => Math.max(end, run.startBytes + run.sizeBytes), dataStartBytes);
  const behind = metadataAreas.filter(({ startBytes }) => startBytes >= lastEnd);
  return {
    ...{ group, extentBytes, extents, members, areas: metadataAreas.length, dataStartBytes, runs },
    metadata: [{ startBytes: 0, sizeBytes: dataStartBytes }, ...behind],
  };
}

/** Other segments than runs of extents name volumes, not physical ones; one that does (a `pvmove` that goes on) has extents that `runsOf` does not see. */
function findStrangeSegment(volumes: ConfigSection, pvName: string): string | undefined {
  for (const [name, lv] of Object.entries(volumes)) {
    for (const segment of isSection(lv) ? Object.values(lv).filter(isSection) : []) {
      if (segment.type === 'striped') continue;
      const isHere = Object.values(segment).some((value) => Array.isArray(value) && value.includes(pvName));
      if (isHere) return `${name} in it is a ${segment.type}, with extents of its own`;
    }
  }
  return undefined;
}

/** Origins and stores of snapshots: what the one has freed, the other may still need. */
function namesInSnapshots(volumes: ConfigSection): Set<string> {
  const segments = Object.values(volumes).flatMap((lv) => (isSection(lv) ? Object.values(lv).filter(isSection) : []));
  return new Set(
    segments.filter(({ type }) => type === 'snapshot').flatMap((one) => [one.origin, one.cow_store].map(String)),
  );
}

/** The pieces of a logical volume on the physical volume that the metadata calls `pvName`. */
function runsOf(
  name: string,
  lv: ConfigSection,
  pvName: string,
  extentBytes: number,
  dataStartBytes: number,
  isInSnapshot: boolean,
): LvmRun[] {
  const segments = Object.values(lv).filter((value) => isSection(value) && value.extent_count !== undefined);
  const wholeBytes =
    segments.reduce<number>((sum, one) => sum + Number((one as ConfigSection).extent_count), 0) * extentBytes;
  const isVisible = Array.isArray(lv.status) && lv.status.includes('VISIBLE');
  // One that is not wholly plain, or lies on other disks too, has no map here.
  const isPlain = isVisible && !isInSnapshot && segments.every((one) => isLinearOn(one as ConfigSection, pvName));
  return segments.flatMap((segment) => {
    const { start_extent, extent_count, stripe_count, stripes, type } = segment as ConfigSection;
    if (type !== 'striped' || !Array.isArray(stripes)) return [];
    const count = Number(extent_count) / Number(stripe_count);
    return stripes.flatMap((member, i) => {
      if (i % 2 !== 0 || member !== pvName) return [];
      return {
        ...{ name, isPlain, wholeBytes },
        offsetBytes: Number(start_extent) * extentBytes,
        startBytes: dataStartBytes + Number(stripes[i + 1]) * extentBytes,
        sizeBytes: count * extentBytes,
      };
    });
  });
}

function isLinearOn(segment: ConfigSection, pvName: string): boolean {
  const { type, stripe_count, stripes } = segment;
  return type === 'striped' && Number(stripe_count) === 1 && Array.isArray(stripes) && stripes[0] === pvName;
}
