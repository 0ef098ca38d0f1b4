/**
 * A container in a partition (or on a bare disk), seen from the manifest: which volumes are its parts, which of its logical volumes
 * can become larger, and how large on a partition of another size. Pure. docs/decisions/0010-containers.md
 */
import { type Static, Type } from 'typebox';
import type { VolumeHead, Within } from './manifest.ts';

export interface LogicalVolume {
  /** `group/volume`. */
  readonly name: string;
  readonly filesystem?: string;
  readonly map: string;
  readonly sizeBytes: number;
  readonly isSwap: boolean;
  /** More than bytes in a row, see `special` of the manifest. */
  readonly isSpecial: boolean;
  /** Indices of its pieces among the manifest's volumes, in its own order. */
  readonly parts: readonly number[];
}

export interface Container {
  readonly kind: Within['kind'];
  /** The group of LVM, the id of an array, the UUID of a LUKS container. */
  readonly name: string;
  /** One of its volumes is a container itself: a LUKS container in a logical volume, say. */
  readonly hasInner: boolean;
  /** Absent: on a disk without a table. */
  readonly partition?: number;
  /** Of the container: that of its first part. */
  readonly startBytes: number;
  /** Size of LVM's metadata before the first extent. */
  readonly headBytes: number;
  readonly pv?: NonNullable<Within['pv']>;
  /** By the place of their first piece. */
  readonly volumes: readonly LogicalVolume[];
}

export const grownVolumeSchema = Type.Object({
  name: Type.String(),
  filesystem: Type.String(),
  fromBytes: Type.Integer(),
  sizeBytes: Type.Integer(),
});
/** A logical volume that becomes larger, with its filesystem. */
export type GrownVolume = Static<typeof grownVolumeSchema>;

/** Which logical volumes take the room that their container gets: the last that can, all by their size, or one by its name. */
export type InnerGrowRule = 'last' | 'proportional' | { readonly name: string };

/** The container in a partition, or of a bare disk for undefined; undefined: there is none. */
export function containerIn(volumes: readonly VolumeHead[], partition: number | undefined): Container | undefined {
  const own = [...volumes.keys()].filter(
    (i) => volumes[i]!.within !== undefined && volumes[i]!.partition === partition,
  );
  const first = volumes[own[0] ?? -1];
  if (first?.within === undefined) return undefined;
  const { kind, name, pv } = first.within;
  const hasInner = own.some(
    (i) => volumes[i]!.within!.kind !== kind || volumes[i]!.within!.luks !== first.within!.luks,
  );
  const byName = Map.groupBy(own, (i) => volumes[i]!.within!.name);
  if (kind === 'lvm') byName.delete(name);
  return {
    ...{ kind, name, hasInner, startBytes: first.startBytes, headBytes: kind === 'lvm' ? first.sizeBytes : 0 },
    ...(partition === undefined ? {} : { partition }),
    ...(pv === undefined ? {} : { pv }),
    volumes: [...byName].map(([volume, parts]) => logicalVolumeOf(volumes, volume, parts)),
  };
}

function logicalVolumeOf(volumes: readonly VolumeHead[], name: string, indices: readonly number[]): LogicalVolume {
  const parts = indices.toSorted(
    (a, b) => (volumes[a]!.within!.offsetBytes ?? 0) - (volumes[b]!.within!.offsetBytes ?? 0),
  );
  const { filesystem, map, swap, within } = volumes[parts[0]!]!;
  return {
    ...{ name, map, parts, isSwap: swap !== undefined, isSpecial: within?.special === true },
    ...(filesystem === undefined ? {} : { filesystem }),
    sizeBytes: parts.reduce((sum, i) => sum + volumes[i]!.sizeBytes, 0),
  };
}

/** Why the container keeps the size that it has; undefined: it does not have to. */
export function whyKeepsSize({ kind, pv, hasInner }: Container): string | undefined {
  if (hasInner) return 'one of its volumes is a container itself';
  if (kind === 'luks') return undefined;
  if (kind === 'md') return 'a mirror is as large as the smaller of its halves, and the other one is not on this disk';
  if (pv === undefined) return 'the image does not say how its LVM is divided: it was captured before that was noted';
  if (pv.members > 1) return `its LVM group has ${pv.members} physical volumes, which have to agree`;
  if (pv.areas !== 1) return 'its LVM keeps a second copy of its metadata at its end';
  return undefined;
}

/**
 * What becomes larger when the container gets `sizeBytes`; empty: nothing, for nothing in it can or there is less than an extent to
 * share out. What was free in the group stays free.
 */
export function growWithin(
  container: Container,
  sizeBytes: number,
  rule: InnerGrowRule,
  canGrow: (volume: Pick<VolumeHead, 'filesystem' | 'map'>) => boolean,
): GrownVolume[] {
  const { kind, pv, headBytes } = container;
  if (whyKeepsSize(container) !== undefined) return [];
  const growers = growersWithin(container, rule, canGrow);
  if (kind === 'luks') return growers.flatMap((one) => growTo(one, sizeBytes));
  const newExtents = Math.floor((sizeBytes - headBytes) / pv!.extentBytes) - pv!.extents;
  const wholeBytes = growers.reduce((sum, one) => sum + one.sizeBytes, 0);
  return growers.flatMap((one) => {
    const moreBytes = Math.floor(newExtents * (one.sizeBytes / wholeBytes)) * pv!.extentBytes;
    return growTo(one, one.sizeBytes + moreBytes);
  });
}

function growTo({ name, filesystem, sizeBytes: fromBytes }: LogicalVolume, sizeBytes: number): GrownVolume[] {
  return sizeBytes <= fromBytes ? [] : [{ name, filesystem: filesystem!, fromBytes, sizeBytes }];
}

/** What blkid(8) calls it. */
export function typeOf({ kind }: Pick<Container, 'kind'>): string {
  return { lvm: 'LVM2_member', md: 'linux_raid_member', luks: 'crypto_LUKS' }[kind];
}

/** The logical volumes that a rule means, as far as they can become larger. */
export function growersWithin(
  { volumes }: Pick<Container, 'volumes'>,
  rule: InnerGrowRule,
  canGrow: (volume: Pick<VolumeHead, 'filesystem' | 'map'>) => boolean,
): LogicalVolume[] {
  const able = volumes.filter((one) => !one.isSpecial && !one.isSwap && canGrow(one));
  if (typeof rule === 'object') return able.filter(({ name }) => name === rule.name);
  return rule === 'last' ? able.slice(-1) : able;
}
