/**
 * What is done for each part of a container that becomes smaller: its metadata is made anew, logical volumes that shrink are copied out and
 * captured again, of all others the chunks are taken as they are, at their new places.
 */
import { type Extents, normalizeExtents } from '#protocol/chunk.ts';
import type { Manifest, Volume } from '#protocol/manifest.ts';
import type { PackJob } from '#protocol/volume-job.ts';
import { extentsOf, type PackedVolume } from './container-plan.ts';
import type { CutContainer } from './shrink-plan.ts';
import { type FittedVolume, keepVolume, type Refit } from './volume-refit.ts';

/** One volume of the smaller image, and how it is made. */
export type FitWork = { readonly index: number } & (
  | { readonly kept: FittedVolume; readonly refit?: never }
  | { readonly refit: Refit; readonly kept?: never }
);

/** In disk order. `index` is that of a volume of the source, or of its first piece. */
export function containerWorks(manifest: Manifest, cut: CutContainer): FitWork[] {
  const { container, startBytes, packed } = cut;
  const parts =
    packed?.flatMap((one) => packedWorks(manifest, cut, one)) ??
    container.volumes.flatMap(({ parts: indices }) =>
      indices.map((index) => {
        const volume = manifest.volumes[index]!;
        const at = startBytes + volume.startBytes - container.startBytes;
        return { index, kept: keepVolume(manifest, volume, { startBytes: at, sizeBytes: volume.sizeBytes }) };
      }),
    );
  const inOrder = parts.toSorted((a, b) => startOf(a) - startOf(b));
  return container.kind === 'lvm' ? [metadataWork(manifest, cut), ...inOrder] : inOrder;
}

function startOf({ kept, refit }: FitWork): number {
  return kept === undefined ? refit.startBytes : kept.head.startBytes;
}

function metadataWork(
  { head, volumes }: Manifest,
  { container, startBytes, sizeBytes, packed }: CutContainer,
): FitWork {
  const index = volumes.findIndex(
    (volume) => volume.within?.pv !== undefined && volume.startBytes === container.startBytes,
  );
  const first = volumes[index]!;
  const extents = extentsOf(container, sizeBytes);
  const pack = {
    ...{ sizeBytes, extents, sectorBytes: head.layout.sectorBytes },
    ...(packed === undefined ? {} : { volumes: packed.map(toJob) }),
  };
  const within = { ...first.within!, pv: { ...container.pv!, extents } };
  return { index, refit: { pieces: [first], startBytes, sizeBytes: first.sizeBytes, within, pack } };
}

/** LVM names volumes in their group. */
function toJob({ volume, startExtent, extents }: PackedVolume): NonNullable<PackJob['volumes']>[number] {
  return { name: volume.name.slice(volume.name.indexOf('/') + 1), startExtent, extents };
}

function packedWorks(
  manifest: Manifest,
  cut: CutContainer,
  { volume, offsetBytes, sizeBytes }: PackedVolume,
): FitWork[] {
  const startBytes = cut.startBytes + offsetBytes;
  const pieces = volume.parts.map((i) => manifest.volumes[i]!);
  const [index] = volume.parts as [number];
  if (sizeBytes < volume.sizeBytes) return [{ index, refit: { pieces, startBytes, sizeBytes } }];
  const joined = joinPieces(manifest, pieces, startBytes);
  if (joined !== undefined) return [{ index, kept: joined }];
  let at = startBytes;
  return volume.parts.map((i) => {
    const piece = manifest.volumes[i]!;
    const kept = keepVolume(manifest, piece, { startBytes: at, sizeBytes: piece.sizeBytes });
    at += piece.sizeBytes;
    return { index: i, kept };
  });
}

/** Pieces that lie one behind the other now are one; undefined: their chunks are not on one grid, so they stay several. Pure. */
function joinPieces(manifest: Manifest, pieces: readonly Volume[], startBytes: number): FittedVolume | undefined {
  const { chunkBytes } = manifest.head;
  const isOnGrid = pieces.slice(0, -1).every(({ sizeBytes }) => sizeBytes % chunkBytes === 0);
  if (!isOnGrid) return undefined;
  let sizeBytes = 0;
  const runs: [number, number][] = [];
  const ids: Uint8Array[] = [];
  for (const piece of pieces) {
    for (let i = 0; i < piece.extents.length; i += 2) {
      runs.push([sizeBytes + piece.extents[i]!, sizeBytes + piece.extents[i + 1]!]);
    }
    ids.push(keepVolume(manifest, piece, piece).ids);
    sizeBytes += piece.sizeBytes;
  }
  const extents: Extents = normalizeExtents(runs, sizeBytes);
  const { head } = keepVolume(manifest, pieces[0]!, { startBytes, sizeBytes });
  return { head, extents, ids: Buffer.concat(ids) };
}
