/** How small filesystems become, judged from what they use. The programs that shrink know better in the end (volume-fitter.ts). Pure. */
import { usedBytesOf } from '#protocol/chunk.ts';
import type { Volume } from '#protocol/manifest.ts';

const MIB = 1024 * 1024;

/** What a filesystem needs besides its used bytes when it is as small as it can be: a share of them, and a fixed part. Tried with full and with sparse ones; Btrfs keeps free chunks of data and of metadata. */
const overheads: Readonly<Record<string, { readonly share: number; readonly bytes: number }>> = {
  ext2: { share: 0.05, bytes: 8 * MIB },
  ext3: { share: 0.05, bytes: 8 * MIB },
  ext4: { share: 0.05, bytes: 8 * MIB },
  ntfs: { share: 0.02, bytes: 16 * MIB },
  btrfs: { share: 0.3, bytes: 256 * MIB },
};

/** Whether a program makes its filesystem smaller; one that was taken raw is not understood, or not clean. */
export function canShrink({ filesystem, map }: { filesystem?: string | undefined; map: string }): boolean {
  return map !== 'raw' && filesystem !== undefined && filesystem in overheads;
}

/** Of one that can shrink. */
export function leastBytesFor(filesystem: string, usedBytes: number): number {
  const { share, bytes } = overheads[filesystem]!;
  return usedBytes * (1 + share) + bytes;
}

/** A full disk has a million runs, and a plan asks for each of 400 hosts. */
const usedBytes = new WeakMap<Volume['extents'], number>();

export function usedOf({ extents }: Pick<Volume, 'extents'>): number {
  const bytes = usedBytes.get(extents) ?? usedBytesOf(extents);
  usedBytes.set(extents, bytes);
  return bytes;
}
