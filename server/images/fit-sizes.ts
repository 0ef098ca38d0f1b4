/** Which disk of an image is to fit how large a disk, from what the admin says. Pure. */
import type { FitImageRequest } from '#protocol/admin/image-api.ts';
import { knownError } from '#protocol/errors.ts';
import { fitTo } from '#protocol/fit.ts';
import type { ManifestHead } from '#protocol/manifest.ts';
import { layoutsOf, partOfDisk } from '#protocol/source-disk.ts';

export type FitSizes = Pick<FitImageRequest, 'toBytes' | 'disks'>;

/**
 * Size of the disk that each disk of the image is to fit, in their order; undefined: it stays as it is, as one does that fits already.
 * One size without a disk means the only disk of the image that does not fit it. Throws IMAGE_HAS_DISKS when several do not,
 * IMAGE_LACKS_DISK, SHRINK_NEEDLESS.
 */
export function sizesOfDisks(image: string, head: ManifestHead, { toBytes, disks }: FitSizes): (number | undefined)[] {
  const layouts = layoutsOf(head);
  const sizes = layouts.map(({ diskBytes }) => `${(diskBytes / 1e9).toFixed(1)} GB`).join(', ');
  const strange = disks?.find(({ disk }) => disk >= layouts.length);
  if (strange !== undefined) {
    throw knownError('IMAGE_LACKS_DISK', { image, disk: strange.disk + 1, count: layouts.length, sizes });
  }
  const wanted = layouts.map((_, i) => disks?.find(({ disk }) => disk === i)?.toBytes ?? toBytes);
  const needed = wanted.map((bytes, i) => (bytes === undefined || fits(head, i, bytes) ? undefined : bytes));
  const count = needed.filter((bytes) => bytes !== undefined).length;
  if (count === 0) {
    const largest = Math.max(...wanted.map((bytes) => bytes ?? 0));
    throw knownError('SHRINK_NEEDLESS', { image, toBytes: largest });
  }
  if (count > 1 && disks === undefined) {
    const to = sayTo(needed);
    throw knownError('IMAGE_HAS_DISKS', { image, count: layouts.length, sizes, toBytes: toBytes!, misfits: count, to });
  }
  return needed;
}

/** As the option --to takes it: `2=100000000000`, counted from 1. */
export function sayTo(sizes: readonly (number | undefined)[]): string {
  return sizes.flatMap((bytes, i) => (bytes === undefined ? [] : `${i + 1}=${bytes}`)).join(',');
}

function fits(head: ManifestHead, disk: number, bytes: number): boolean {
  return fitTo(partOfDisk({ head, volumes: [] }, disk).head, bytes, 'none').fit !== undefined;
}
