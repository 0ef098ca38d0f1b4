/** What the golden files hold: the same values in every version of fleetcast, for ever. */
import { chunkIdOf } from '#protocol/chunk.ts';
import {
  FRAME_ANNOUNCE,
  FRAME_CHUNK,
  FRAME_HEADER_BYTES,
  FRAME_TRAILER,
  type FrameHeader,
  writeFrameHeader,
} from '#protocol/frame.ts';
import { HoleSet } from '#protocol/holes.ts';
import type { Layout } from '#protocol/layout.ts';
import type { LuksContainer } from '#protocol/luks-container.ts';
import { encodeManifest, type ManifestHead, type VolumeContent, type Within } from '#protocol/manifest.ts';
import { CODING_ZSTD, STORED_HEADER_BYTES, writeStoredHeader } from '#protocol/stored-chunk.ts';
import { encodePackHeader, encodePackTail, type PackEntry } from '#server/images/pack.ts';

/** 1000 bytes, and a zstd frame of them made once by zstd 1.5: another zstd may choose other bytes for the same content. */
export const goldenPlain = Buffer.from('fleetcast'.repeat(120)).subarray(0, 1000);
export const goldenBody = Buffer.from('28b52ffd60e80285000048666c656574636173740100dc599523', 'hex');

/** The plain bytes' chunk id. */
export const goldenId = chunkIdOf(goldenPlain);

export function encodeGoldenStoredChunk(): Buffer {
  const out = Buffer.alloc(STORED_HEADER_BYTES + goldenBody.length);
  writeStoredHeader(out, 0, {
    coding: CODING_ZSTD,
    id: goldenId,
    storedBytes: goldenBody.length,
    plainBytes: goldenPlain.length,
  });
  out.set(goldenBody, STORED_HEADER_BYTES);
  return out;
}

/** Announce, one chunk, trailer. */
export const goldenFrames: readonly { readonly header: FrameHeader; readonly payload: Buffer }[] = [
  makeFrame(FRAME_ANNOUNCE, 0, 0, 0, Buffer.from('{"bytes":90,"castId":"c1","frames":1,"sessionId":7}')),
  makeFrame(FRAME_CHUNK, 239_999, goldenPlain.length, 1, goldenBody),
  makeFrame(FRAME_TRAILER, 0, 0, 2, Buffer.from('{"frames":1,"skipped":[]}')),
];

function makeFrame(kind: number, ordinal: number, plainBytes: number, sequence: number, payload: Buffer) {
  const header = {
    kind,
    coding: kind === FRAME_CHUNK ? CODING_ZSTD : 0,
    nonce: Buffer.from('0011223344556677', 'hex'),
    manifestTag: Buffer.from('8899aabbccddeeff', 'hex'),
    ordinal,
    payloadBytes: payload.length,
    plainBytes,
    sequence,
  };
  return { header, payload };
}

export function encodeGoldenFrames(): Buffer {
  return Buffer.concat(
    goldenFrames.map(({ header, payload }) => {
      const out = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
      writeFrameHeader(out, 0, header);
      out.set(payload, FRAME_HEADER_BYTES);
      return out;
    }),
  );
}

export const goldenHoleCount = 21;
export const goldenHoles: readonly number[] = [0, 7, 8, 20];

export function encodeGoldenHoles(): Buffer {
  const holes = HoleSet.none(goldenHoleCount);
  for (const ordinal of goldenHoles) holes.add(ordinal);
  return holes.encode();
}

/** A pack of the golden chunk and, behind it, one whose stored bytes are nonsense: a pack does not look into them. */
export function encodeGoldenPack(): { bytes: Buffer; name: string } {
  const first = encodeGoldenStoredChunk();
  const second = Buffer.alloc(STORED_HEADER_BYTES + 5, 0xee);
  writeStoredHeader(second, 0, {
    coding: CODING_ZSTD,
    id: Buffer.alloc(32, 0xab),
    storedBytes: 5,
    plainBytes: 4_194_304,
  });
  const { tail, name } = encodePackTail(goldenPackEntries, 16 + first.length + second.length);
  return { bytes: Buffer.concat([encodePackHeader(), first, second, tail]), name };
}

export const goldenPackEntries: readonly PackEntry[] = [
  { id: goldenId, offset: 16, storedBytes: goldenBody.length, plainBytes: goldenPlain.length },
  { id: Buffer.alloc(32, 0xab), offset: 80 + goldenBody.length, storedBytes: 5, plainBytes: 4_194_304 },
];

export const goldenHead: Omit<ManifestHead, 'volumes'> = {
  chunkBytes: 262_144,
  hash: 'blake3-256',
  layout: {
    label: 'gpt',
    labelId: 'C5A8C1C4-5B6E-4B0A-9A53-1C9E4F0F3D21',
    sectorBytes: 512,
    diskBytes: 68_719_476_736,
    firstLba: 34,
    lastLba: 134_217_694,
    tableLength: 128,
    bootCode: 'M8COwI7YvAB8',
    partitions: [
      {
        number: 1,
        startSector: 2048,
        sectors: 204_800,
        type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
        uuid: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
        name: 'EFI “system”',
        attrs: 'RequiredPartition',
      },
      {
        number: 2,
        startSector: 206_848,
        sectors: 16_777_216,
        type: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
        bootable: true,
      },
    ],
  },
};

export const goldenVolumes: readonly VolumeContent[] = [
  { head: { kind: 'boot', startBytes: 17_408, sizeBytes: 1_031_168, map: 'raw' }, extents: new Float64Array() },
  {
    head: {
      kind: 'partition',
      partition: 1,
      startBytes: 1_048_576,
      sizeBytes: 104_857_600,
      filesystem: 'vfat',
      map: 'partclone.vfat',
    },
    extents: Float64Array.of(0, 1_048_576, 1_048_577, 1_048_578, 104_857_599, 104_857_600),
  },
  {
    head: {
      kind: 'partition',
      partition: 2,
      startBytes: 105_906_176,
      sizeBytes: 8_589_934_592,
      filesystem: 'swap',
      map: 'none',
      swap: { uuid: '6c8ad1b2-3f9e-4d57-9f0e-0d2d7c1f0a11', label: 'swap', pageBytes: 4096 },
    },
    extents: new Float64Array(),
  },
];

/** Chunks 0 to 4 and the last one of the FAT volume: ids 00…, 01…, 02… */
const goldenIds = Buffer.concat(Array.from({ length: 6 }, (_, i) => Buffer.alloc(32, i)));

/** Version 2: the FAT volume lies in the clear in a LUKS container, and a swap area in LVM in another. */
export const goldenContainers: readonly LuksContainer[] = [
  {
    kind: 'luks',
    version: 2,
    uuid: 'a3d7a1c0-6d0e-4c8e-9d5e-0f3c5a9b1e01',
    partition: 1,
    startBytes: 1_048_576,
    sizeBytes: 121_634_816,
    payloadOffsetBytes: 16_777_216,
    cipher: 'aes-xts-plain64',
    keyBytes: 64,
    sectorBytes: 4096,
    hash: 'sha256',
    pbkdf: 'argon2id',
    label: 'vault “one”',
    flags: ['allow-discards'],
  },
  {
    kind: 'luks',
    version: 1,
    uuid: 'a3d7a1c0-6d0e-4c8e-9d5e-0f3c5a9b1e02',
    partition: 2,
    startBytes: 122_683_392,
    sizeBytes: 8_592_031_744,
    payloadOffsetBytes: 2_097_152,
    cipher: 'aes-xts-plain64',
    keyBytes: 32,
    sectorBytes: 512,
    hash: 'sha1',
    pbkdf: 'pbkdf2',
  },
];

export const goldenInnerVolumes: readonly VolumeContent[] = goldenVolumes.map(({ head, extents }, i) => {
  const [one, two] = goldenContainers;
  if (i === 0) return { head, extents };
  const within: Within =
    i === 1 ? { kind: 'luks', name: one!.uuid } : { kind: 'lvm', name: 'vault/swap', luks: two!.uuid };
  return { head: { ...head, within, startBytes: head.startBytes + 16_777_216 }, extents };
});

export function encodeGoldenLuksManifest(): Buffer {
  return encodeManifest({ ...goldenHead, containers: [...goldenContainers] }, goldenInnerVolumes, goldenIds);
}

/** Of the second disk of a golden machine: one partition, one chunk. */
export const goldenDataLayout: Layout = {
  label: 'dos',
  labelId: '0x1badcafe',
  sectorBytes: 512,
  diskBytes: 2_000_398_934_016,
  partitions: [{ number: 1, startSector: 2048, sectors: 3_907_026_944, type: '83' }],
};
export const goldenDataVolume: VolumeContent = {
  head: {
    ...{ kind: 'partition', disk: 1, partition: 1, startBytes: 1_048_576, sizeBytes: 2_000_397_795_328 },
    ...{ filesystem: 'xfs', map: 'partclone.xfs' },
  },
  extents: Float64Array.of(0, 65_536),
};

/** Version 2: a system disk and a data disk. */
export function encodeGoldenPair(): Buffer {
  const ids = Buffer.concat([goldenIds, Buffer.alloc(32, 6)]);
  return encodeManifest({ ...goldenHead, moreDisks: [goldenDataLayout] }, [...goldenVolumes, goldenDataVolume], ids);
}

export function encodeGoldenManifest(): Buffer {
  return encodeManifest(goldenHead, goldenVolumes, goldenIds);
}
