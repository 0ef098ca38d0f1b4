/**
 * A LUKS container whose inside an image carries in the clear: what a target needs to make one like it. Neither a key nor a key
 * slot is part of it: each target has a key of its own. docs/luks.md, docs/decisions/0012-luks.md
 */
import { type Static, Type } from 'typebox';
import type { Layout } from './layout.ts';

export const luksContainerSchema = Type.Object({
  kind: Type.Literal('luks'),
  version: Type.Union([Type.Literal(1), Type.Literal(2)]),
  /** Kept on every target: crypttab(5) and boot loaders find the container by it. */
  uuid: Type.String({ pattern: '^[0-9a-fA-F-]{1,40}$' }),
  /** On which of several source disks it lies, counted from 0; absent: the first. */
  disk: Type.Optional(Type.Integer({ minimum: 1 })),
  /** The partition that it lies in; absent: a disk without a table. */
  partition: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Of the container on the source disk, header and all. */
  startBytes: Type.Integer({ minimum: 0 }),
  sizeBytes: Type.Integer({ minimum: 1 }),
  /** Of what is encrypted, from the container's start. */
  payloadOffsetBytes: Type.Integer({ minimum: 4096 }),
  /** As dm-crypt names it: aes-xts-plain64. */
  cipher: Type.String({ pattern: '^[A-Za-z0-9:_-]{1,64}$' }),
  /** Of the volume key. */
  keyBytes: Type.Integer({ minimum: 1, maximum: 512 }),
  /** Unit of encryption; 512 in version 1. */
  sectorBytes: Type.Integer({ minimum: 512, maximum: 4096 }),
  hash: Type.String({ pattern: '^[A-Za-z0-9_-]{1,32}$' }),
  /** How the first key slot derives its key: a boot loader may know only pbkdf2. */
  pbkdf: Type.Union([Type.Literal('pbkdf2'), Type.Literal('argon2i'), Type.Literal('argon2id')]),
  label: Type.Optional(Type.String({ maxLength: 47 })),
  subsystem: Type.Optional(Type.String({ maxLength: 47 })),
  /** What cryptsetup keeps in the header for every opening (`--persistent`): allow-discards … */
  flags: Type.Optional(Type.Array(Type.String({ pattern: '^[a-z0-9-]{1,64}$' }))),
});
export type LuksContainer = Static<typeof luksContainerSchema>;

/** Where the payload lies on the disk. */
export function payloadOf(o: Pick<LuksContainer, 'startBytes' | 'sizeBytes' | 'payloadOffsetBytes'>): {
  startBytes: number;
  sizeBytes: number;
} {
  return { startBytes: o.startBytes + o.payloadOffsetBytes, sizeBytes: o.sizeBytes - o.payloadOffsetBytes };
}

/**
 * The containers as they lie on a disk with another table: each moves with its partition, and one that was all of its partition is
 * all of it again. Pure.
 */
export function placeContainers(containers: readonly LuksContainer[], from: Layout, to: Layout): LuksContainer[] {
  return containers.map((container) => {
    const { partition, startBytes, sizeBytes } = container;
    const old = spanOf(from, partition);
    const now = spanOf(to, partition);
    const isWhole = startBytes === old.startBytes && sizeBytes === old.sizeBytes;
    return {
      ...container,
      startBytes: startBytes + now.startBytes - old.startBytes,
      sizeBytes: isWhole ? now.sizeBytes : sizeBytes,
    };
  });
}

function spanOf(layout: Layout, number: number | undefined): { startBytes: number; sizeBytes: number } {
  const found = layout.partitions.find((partition) => partition.number === number);
  if (found === undefined) return { startBytes: 0, sizeBytes: layout.diskBytes };
  return { startBytes: found.startSector * layout.sectorBytes, sizeBytes: found.sectors * layout.sectorBytes };
}
