/**
 * The grow rule: which partitions take the room of a larger disk, which volumes in a container, and why some cannot. Pure. docs/fit.md
 */
import { type Static, Type } from 'typebox';
import { containerIn, growersWithin, type InnerGrowRule, whyKeepsSize } from './container.ts';
import type { VolumeHead } from './manifest.ts';

/** `GROUP/VOLUME` of LVM, or `PARTITION/GROUP/VOLUME`; lvm(8) says of what names are made. */
export const GROW_VOLUME_PATTERN = '^([1-9][0-9]{0,2}/)?[A-Za-z0-9+_.-]+/[A-Za-z0-9+_.-]+$';

/**
 * Which partitions take the room of a larger disk: nobody, the last that can, each in proportion to its size, one by its number, or
 * the one with a logical volume. In a partition with LVM the same rule says which of its volumes take it.
 */
export const growRuleSchema = Type.Union([
  Type.Literal('none'),
  Type.Literal('last'),
  Type.Literal('proportional'),
  Type.Integer({ minimum: 1 }),
  Type.Unsafe<`${string}/${string}`>(Type.String({ pattern: GROW_VOLUME_PATTERN })),
]);
export type GrowRule = Static<typeof growRuleSchema>;

/** Filesystems that grow on the host, by programs of the agent image. */
const growing = new Set(['ext2', 'ext3', 'ext4', 'ntfs', 'xfs', 'btrfs', 'f2fs']);
/** Whether the filesystem of a volume can be made larger on the host; one that was taken raw is not understood, or not clean. */
export function canGrow(volume: Pick<VolumeHead, 'filesystem' | 'map' | 'swap' | 'within'>): boolean {
  if (volume.within !== undefined) return false;
  return volume.swap !== undefined || hasGrower(volume);
}

/** Whether a program makes the filesystem larger, if the volume does; it was clean, or it would have been taken raw. */
export function hasGrower({ filesystem, map }: Pick<VolumeHead, 'filesystem' | 'map'>): boolean {
  return filesystem !== undefined && map !== 'raw' && growing.has(filesystem);
}

/** Why what a rule names cannot become larger, on whatever disk; undefined: it can, or the rule names nothing. */
export function whyNotGrown(volumes: readonly VolumeHead[], grow: GrowRule): string | undefined {
  const { partition, rule } = namedBy(grow);
  if (partition === undefined && typeof rule !== 'object') return undefined;
  const own = volumes.filter((one) => partition === undefined || one.partition === partition);
  if (own.length === 0) return 'there is none with that number';
  if (typeof rule === 'object') return whyVolumeNotGrown(own, rule);
  const container = containerIn(own, partition);
  if (container === undefined) return canGrow(own[0]!) ? undefined : whyKept(own[0]!);
  const kept = whyKeepsSize(container);
  if (kept !== undefined) return kept;
  return growersWithin(container, rule, hasGrower).length > 0
    ? undefined
    : 'no volume in it has a filesystem that can grow';
}

function whyVolumeNotGrown(volumes: readonly VolumeHead[], rule: { readonly name: string }): string | undefined {
  const part = volumes.find(({ within }) => within?.name === rule.name && within.name.includes('/'));
  const onSameDisk = volumes.filter((one) => one.disk === part?.disk);
  const container = part && containerIn(onSameDisk, part.partition);
  const volume = container?.volumes.find(({ name }) => name === rule.name);
  if (container === undefined || volume === undefined) return 'there is no such logical volume';
  const kept = whyKeepsSize(container);
  if (kept !== undefined || growersWithin(container, rule, hasGrower).length > 0) return kept;
  if (volume.isSpecial) return 'it is part of a thin pool, a snapshot, a mirror or a stripe set';
  return volume.isSwap ? 'swap in LVM keeps its size' : whyKept(volume);
}

function whyKept({ filesystem, map }: Pick<VolumeHead, 'filesystem' | 'map'>): string {
  if (filesystem === undefined) return 'what it holds is not known';
  return map === 'raw'
    ? `its ${filesystem} was not clean when it was captured`
    : `no program here enlarges ${filesystem}`;
}

/** What of the image a rule means: a partition by its number, and which volumes in a container. */
export function namedBy(grow: GrowRule): { partition?: number; rule: InnerGrowRule } {
  if (typeof grow === 'number') return { partition: grow, rule: 'last' };
  const parts = grow.split('/');
  if (parts.length === 1) return { rule: grow === 'proportional' ? grow : 'last' };
  const name = parts.slice(-2).join('/');
  return parts.length === 3 ? { partition: Number(parts[0]), rule: { name } } : { rule: { name } };
}
