/** The containers of a disk as it was laid, from the manifest that is placed on it: what is to be activated, and from where. Pure. */
import type { Activation } from '#protocol/activation.ts';
import type { Layout } from '#protocol/layout.ts';
import { type LuksContainer, payloadOf } from '#protocol/luks-container.ts';
import type { ManifestHead, VolumeHead, Within } from '#protocol/manifest.ts';

/** The span of the disk, as it lies there in the clear, in which a container lies. */
export interface LaidContainer {
  readonly kind: Within['kind'];
  /** As in `within` of the manifest: the group of LVM, the id of an array, the UUID of a LUKS container. */
  readonly name: string;
  /** Absent: a disk without a table. */
  readonly partition?: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** A physical volume of LVM on a software mirror that this span is a member of: the id of that array. */
  readonly mirror?: string;
}

export interface LaidContainers {
  readonly places: readonly LaidContainer[];
  /** Those that nobody can activate from what the image knows of them. */
  readonly others: readonly Activation[];
}

type Head = Pick<ManifestHead, 'layout' | 'volumes' | 'containers'>;

/** `volumes` lie where they lie on the disk that was laid. */
export function containersOn({ layout, volumes, containers = [] }: Head): LaidContainers {
  const places: LaidContainer[] = containers.map((one) => ({
    ...{ kind: 'luks', name: one.uuid, ...payloadOf(one) },
    ...(one.partition === undefined ? {} : { partition: one.partition }),
  }));
  const others: Activation[] = [];
  for (const volume of firstParts(volumes)) {
    const { partition, startBytes } = volume;
    const { kind, name, luks } = volume.within;
    const on = partition === undefined ? {} : { partition };
    const span = spanOf(layout, containers, volume);
    const array = volumes.find((one) => one.within?.kind === 'md' && isBeside(one, volume))?.within?.name;
    const mirror = kind === 'lvm' && array !== undefined ? { mirror: array } : {};
    // The other half, on the same disk, shows the very same physical volume.
    if (mirror.mirror !== undefined && places.some((one) => one.name === name && one.mirror === mirror.mirror))
      continue;
    if (span !== undefined && (mirror.mirror !== undefined || span.startBytes === startBytes)) {
      places.push({ kind, name, ...on, ...span, ...mirror });
    } else {
      const whyNot =
        luks === undefined ? 'it lies within another container' : 'the container that it lies in is not open';
      others.push({ kind, ...(kind === 'lvm' ? { name } : {}), ...on, whyNot, volumes: [] });
    }
  }
  return { places, others: [...others, ...volumes.flatMap(carriedAsItIs)] };
}

/** How to look at what lies in a volume: by its checker, after a look whether that makes sense, not at all, or not and why. */
export type Look = 'check' | 'probe' | 'none' | { readonly why: string };

/** `head` is the first part of the volume; undefined: the manifest does not know it, as those in a thin pool. */
export function lookAt(head: VolumeHead | undefined): Look {
  if (head === undefined || head.within?.special === true) return 'probe';
  if (head.filesystem === undefined || head.swap !== undefined) return 'none';
  if (head.map === 'raw') return { why: 'it was taken raw, as one whose state was unknown or not clean' };
  return 'check';
}

/** The volume that a mirror or a LUKS container holds whole; undefined: it holds a container, or nothing that is known. */
export function volumeIn(volumes: readonly VolumeHead[], place: LaidContainer): VolumeHead | undefined {
  return volumes.find(
    ({ within, partition, filesystem }) =>
      within?.kind === place.kind &&
      within.name === place.name &&
      partition === place.partition &&
      filesystem !== undefined &&
      filesystem !== 'linux_raid_member',
  );
}

/** Parts with which a physical volume or a member of a mirror begins. */
function firstParts(volumes: readonly VolumeHead[]): (VolumeHead & { readonly within: Within })[] {
  const isFirst = (one: VolumeHead): one is VolumeHead & { within: Within } =>
    one.within !== undefined &&
    (one.within.kind === 'md' || (one.within.kind === 'lvm' && !one.within.name.includes('/')));
  const heads = volumes.filter(isFirst);
  return heads.filter((head, i) => heads.findIndex((one) => isBeside(one, head) && isSame(one, head)) === i);
}

/** In the same partition, or in the same LUKS container. */
function isBeside(one: VolumeHead, other: VolumeHead): boolean {
  return one.partition === other.partition && one.within?.luks === other.within?.luks;
}

function isSame(one: VolumeHead, other: VolumeHead): boolean {
  return one.within?.kind === other.within?.kind && one.within?.name === other.within?.name;
}

function spanOf(
  layout: Layout,
  containers: readonly LuksContainer[],
  { partition: number, within }: VolumeHead,
): { startBytes: number; sizeBytes: number } | undefined {
  if (within?.luks !== undefined) {
    const outer = containers.find(({ uuid }) => uuid === within.luks);
    return outer && payloadOf(outer);
  }
  if (number === undefined) return { startBytes: 0, sizeBytes: layout.diskBytes };
  const partition = layout.partitions.find((one) => one.number === number);
  const { sectorBytes } = layout;
  return partition && { startBytes: partition.startSector * sectorBytes, sizeBytes: partition.sectors * sectorBytes };
}

const rawKinds = { LVM2_member: 'lvm', linux_raid_member: 'md', crypto_LUKS: 'luks' } as const;

/** A partition that is a container as a whole, of which no volume is known. */
function carriedAsItIs({ filesystem, within, partition }: VolumeHead): Activation[] {
  if (within !== undefined || filesystem === undefined || !(filesystem in rawKinds)) return [];
  const kind = rawKinds[filesystem as keyof typeof rawKinds];
  const whyNot = kind === 'luks' ? 'it is carried as it is, encrypted' : 'it is carried as it is, not understood';
  return [{ kind, ...(partition === undefined ? {} : { partition }), whyNot, volumes: [] }];
}
