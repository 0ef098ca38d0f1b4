/**
 * The disks of which an image was captured: mostly one. Several have one list of chunks, so that one cast carries them; each target
 * disk is laid from the part of the manifest that is its source's. Pure.
 */
import { HoleSet } from './holes.ts';
import type { Layout } from './layout.ts';
import type { Manifest, ManifestHead } from './manifest.ts';

/** Layouts of the source disks, in their order. */
export function layoutsOf({ layout, moreDisks = [] }: Pick<ManifestHead, 'layout' | 'moreDisks'>): Layout[] {
  return [layout, ...moreDisks];
}

/** What lies on source disk `disk`, counted from 0: its layout and volumes. Ordinals and ids are those of the whole. Throws RangeError. */
export function partOfDisk<Part extends Pick<Manifest, 'head' | 'volumes'>>(manifest: Part, disk: number): Part {
  const { moreDisks, containers, ...head } = manifest.head;
  if (moreDisks === undefined && disk === 0) return manifest;
  const layout = layoutsOf(manifest.head)[disk];
  if (layout === undefined) throw new RangeError(`the image has no disk ${disk}`);
  const isOn = (one: { readonly disk?: number }) => (one.disk ?? 0) === disk;
  const volumes = manifest.volumes.filter(isOn);
  const locked = containers?.filter(isOn) ?? [];
  const inside = locked.length === 0 ? {} : { containers: locked };
  return { ...manifest, head: { ...head, layout, ...inside, volumes: head.volumes.filter(isOn) }, volumes };
}

/** The chunks of its volumes: of the part of one disk only those. */
export function chunksOf({ chunkCount, volumes }: Pick<Manifest, 'chunkCount' | 'volumes'>): HoleSet {
  const chunks = HoleSet.none(chunkCount);
  for (const { firstOrdinal, indices } of volumes) {
    for (let i = 0; i < indices.length; i++) chunks.add(firstOrdinal + i);
  }
  return chunks;
}
