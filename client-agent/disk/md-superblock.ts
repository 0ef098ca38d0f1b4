/**
 * The superblock of a member of a Linux software RAID, version 1 (md(4); linux/raid/md_p.h, struct mdp_superblock_1):
 * numbers are little-endian, sectors have 512 bytes.
 *
 * | offset | bytes | field |
 * |-------:|------:|---|
 * | 0 | 4 | a92b4efc |
 * | 4 | 4 | 1 |
 * | 16 | 16 | id of the array |
 * | 72 | 4 | level; 1 is a mirror |
 * | 128 | 8 | sector at which the data begins |
 * | 136 | 8 | sectors of data |
 */
const MAGIC = 0xa92b4efc;
const MIRROR = 1;
const SECTOR_BYTES = 512;

/** Where versions 1.1 and 1.2 have it; 1.0 has it at the end, behind the data. */
const PLACES = [0, 4096] as const;
export const MD_HEAD_BYTES = 8192;

export interface MirrorMember {
  readonly arrayId: string;
  readonly dataStartBytes: number;
  readonly dataBytes: number;
}

/** Reads the first MD_HEAD_BYTES of a member. Undefined: not a member of a mirror of version 1.1 or 1.2. */
export function readMirrorMember(head: Buffer, sizeBytes: number): MirrorMember | undefined {
  const at = PLACES.find((place) => head.readUInt32LE(place) === MAGIC && head.readUInt32LE(place + 4) === 1);
  if (at === undefined || head.readInt32LE(at + 72) !== MIRROR) return undefined;
  const dataStartBytes = Number(head.readBigUInt64LE(at + 128)) * SECTOR_BYTES;
  const dataBytes = Number(head.readBigUInt64LE(at + 136)) * SECTOR_BYTES;
  const isSane = dataStartBytes > at && dataBytes > 0 && dataStartBytes + dataBytes <= sizeBytes;
  return isSane ? { arrayId: head.toString('hex', at + 16, at + 32), dataStartBytes, dataBytes } : undefined;
}
