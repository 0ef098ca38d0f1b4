/**
 * How small an image can be made, judged from its manifest alone: which filesystems would become smaller, and how much, so
 * that it goes onto a disk. The programs that shrink know better in the end (volume-fitter.ts); this is for the plan, before
 * anything is touched. Pure.
 */
import { type LogicalVolume, typeOf } from '#protocol/container.ts';
import { changesOf, type Fit, type FitChange, fitTo } from '#protocol/fit.ts';
import type { Layout } from '#protocol/layout.ts';
import type { Manifest, Volume, VolumeHead } from '#protocol/manifest.ts';
import {
  containersOf,
  grainOf,
  leastLogicalBytes,
  leastPartitionBytes,
  type PackedVolume,
  packVolumes,
  type ShrinkableContainer,
} from './container-plan.ts';
import { canShrink, leastBytesFor, usedOf } from './filesystem-size.ts';

const MIB = 1024 * 1024;

export interface ShrinkPlan {
  /** Places and table of the smaller image; of containers that are cut, their own plans say where the parts lie. */
  readonly fit: Fit;
  /** Indices of the volumes, none of them in a container, whose filesystem has to become smaller; their new sizes are in `fit`. */
  readonly shrunk: readonly number[];
  /** Those that become smaller. */
  readonly containers: readonly CutContainer[];
}

export interface CutContainer extends ShrinkableContainer {
  /** Of the container on the smaller disk. */
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Absent: only its end is cut off. */
  readonly packed?: readonly PackedVolume[];
}

export type ShrinkResult =
  | { readonly plan: ShrinkPlan; readonly least?: never }
  | { readonly plan?: never; readonly least: { readonly bytes: number; readonly why: string } };

type Content = Pick<Manifest, 'volumes'> & { readonly head: { readonly layout: Layout } };

/** Something that can become smaller. */
interface Giver {
  readonly slackBytes: number;
  /** Makes it as small as it can be. */
  give(): void;
  /** Gives it so many bytes back, as far as it takes them. */
  takeBack(bytes: number): void;
}

/**
 * The image on a disk of `toBytes`. What is free in containers goes first, for no filesystem has to change for it; then the filesystem
 * with the most free space gives, and only as much as is needed, so that as few as possible are rewritten. `leastOf` are sizes that are
 * known better than from the manifest, by volume index (of a logical volume its first piece).
 */
export function planShrink(
  { head, volumes }: Content,
  toBytes: number,
  leastOf: ReadonlyMap<number, number> = new Map(),
): ShrinkResult {
  const sizes = new PlannedSizes(head.layout, volumes, leastOf);
  for (const giver of sizes.givers()) {
    giver.give();
    const spareBytes = toBytes - sizes.leastDiskBytes();
    if (spareBytes < 0) continue;
    giver.takeBack(alignDown(spareBytes));
    const { fit } = fitTo(sizes.head(), toBytes, 'none');
    if (fit !== undefined) return { plan: sizes.planFor(fit) };
  }
  return { least: { bytes: sizes.leastDiskBytes(), why: sizes.whyNotLess() } };
}

/** What changes for people, in the manifest's order. */
export function changesOfPlan(volumes: readonly VolumeHead[], { fit, containers }: ShrinkPlan): FitChange[] {
  return changesOf(volumes, fit)
    .filter(
      ({ container, partition }) =>
        container === undefined || !containers.some((one) => one.container.partition === partition),
    )
    .concat(containers.map(changeOf))
    .toSorted((a, b) => a.fromStartBytes - b.fromStartBytes);
}

function changeOf({ container, sourceBytes, headBytes, startBytes, sizeBytes, packed = [] }: CutContainer): FitChange {
  const { name, partition, startBytes: fromStartBytes } = container;
  const inner = packed
    .filter(({ volume, sizeBytes: bytes }) => bytes < volume.sizeBytes)
    .map(({ volume, sizeBytes: bytes }) => {
      return { name: volume.name, filesystem: volume.filesystem!, fromBytes: volume.sizeBytes, sizeBytes: bytes };
    });
  return {
    ...(partition === undefined ? {} : { partition }),
    ...{
      filesystem: typeOf(container),
      container: name,
      fromStartBytes,
      startBytes,
      fromBytes: sourceBytes - headBytes,
      sizeBytes,
    },
    ...(inner.length === 0 ? {} : { volumes: inner }),
  };
}

/** Sizes while a plan is made: at first as on the source. */
class PlannedSizes {
  readonly #layout: Layout;
  readonly #volumes: readonly Volume[];
  readonly #leastOf: ReadonlyMap<number, number>;
  readonly #containers: readonly ShrinkableContainer[];
  /** By volume index. */
  readonly #sizes: number[];
  readonly #partitions = new Map<ShrinkableContainer, number>();
  readonly #logical = new Map<LogicalVolume, number>();

  constructor(layout: Layout, volumes: readonly Volume[], leastOf: ReadonlyMap<number, number>) {
    this.#layout = layout;
    this.#volumes = volumes;
    this.#leastOf = leastOf;
    this.#containers = containersOf(layout, volumes);
    this.#sizes = volumes.map((volume) => volume.sizeBytes);
    for (const one of this.#containers) this.#partitions.set(one, one.sourceBytes);
  }

  givers(): Giver[] {
    const bySlack = (givers: Giver[]) =>
      givers.filter(({ slackBytes }) => slackBytes > 0).sort((a, b) => b.slackBytes - a.slackBytes);
    const volumes = this.#volumes
      .keys()
      .map((i) => this.#volumeGiver(i))
      .toArray();
    const logical = this.#containers.flatMap((one) =>
      one.container.volumes.map((volume) => this.#logicalGiver(one, volume)),
    );
    return [...bySlack(this.#containers.map((one) => this.#containerGiver(one))), ...bySlack([...volumes, ...logical])];
  }

  /** The image as if its volumes had these sizes, each still at its own place. */
  head() {
    const byNumber = new Map(this.#containers.map((one) => [one.container.partition, this.#partitions.get(one)!]));
    for (const [i, { kind, partition, within }] of this.#volumes.entries()) {
      if (kind === 'partition' && within === undefined) byNumber.set(partition, this.#sizes[i]!);
    }
    const partitions = this.#layout.partitions.map((partition) => {
      const bytes = byNumber.get(partition.number);
      return bytes === undefined ? partition : { ...partition, sectors: bytes / this.#layout.sectorBytes };
    });
    const volumes = this.#volumes.map((volume, i) => ({ ...volume, sizeBytes: this.#sizes[i]! }));
    return { layout: { ...this.#layout, partitions }, volumes };
  }

  leastDiskBytes(): number {
    // Onto a disk without a byte nothing fits.
    return fitTo(this.head(), 0, 'none').misfit!.leastBytes;
  }

  planFor(fit: Fit): ShrinkPlan {
    const shrunk = [...this.#volumes.keys()].filter((i) => this.#sizes[i]! < this.#volumes[i]!.sizeBytes);
    const containers = this.#containers.flatMap((one): CutContainer | [] => {
      const partitionBytes = this.#partitions.get(one)!;
      if (partitionBytes === one.sourceBytes) return [];
      const at = fit.layout.partitions.find(({ number }) => number === one.container.partition)!;
      const packed = packVolumes(one, (volume) => this.#sizeOf(volume));
      return {
        ...one,
        startBytes: at.startSector * fit.layout.sectorBytes + one.headBytes,
        sizeBytes: partitionBytes - one.headBytes,
        ...(packed === undefined ? {} : { packed }),
      };
    });
    return { fit, shrunk, containers };
  }

  whyNotLess(): string {
    const plain = this.#volumes.flatMap((volume, i) => {
      if (volume.kind !== 'partition' || volume.within !== undefined) return [];
      const { partition = 0, filesystem = 'unknown' } = volume;
      const needs = canShrink(volume) ? 'needs about' : 'stays at';
      return { partition, text: `(${filesystem}) ${needs} ${mib(this.#leastVolume(i))}` };
    });
    const inner = this.#containers.map((one) => ({
      partition: one.container.partition ?? 0,
      text: this.#whyContainerNotLess(one),
    }));
    return [...plain, ...inner]
      .sort((a, b) => a.partition - b.partition)
      .map(({ partition, text }) => `partition ${partition} ${text}`)
      .join(', ');
  }

  #whyContainerNotLess(one: ShrinkableContainer): string {
    const { container, why, isFixed } = one;
    const name = { lvm: `(LVM ${container.name})`, md: '(mirror)', luks: '(LUKS)' }[container.kind];
    if (why !== undefined) return `${name} stays at ${mib(one.sourceBytes)}: ${why}`;
    const needs = `${name} needs about ${mib(this.#leastPartition(one))}`;
    if (isFixed) return `${needs}: it has a thin pool, a snapshot, a mirror or a stripe set, so nothing in it is moved`;
    if (container.kind === 'luks') return needs;
    return `${needs} (${container.volumes.map((volume) => `${volume.name} ${mib(this.#leastLogical(one, volume))}`).join(', ')})`;
  }

  #volumeGiver(i: number): Giver {
    const { sizeBytes } = this.#volumes[i]!;
    const leastBytes = this.#leastVolume(i);
    return {
      slackBytes: sizeBytes - leastBytes,
      give: () => {
        this.#sizes[i] = leastBytes;
      },
      takeBack: (bytes) => {
        this.#sizes[i] = Math.min(sizeBytes, leastBytes + bytes);
      },
    };
  }

  /** What is free in it, or between its volumes. */
  #containerGiver(one: ShrinkableContainer): Giver {
    const leastBytes = leastPartitionBytes(one, this.#volumes, (volume) => volume.sizeBytes);
    return {
      slackBytes: one.sourceBytes - leastBytes,
      give: () => this.#partitions.set(one, leastBytes),
      takeBack: (bytes) => this.#partitions.set(one, Math.min(one.sourceBytes, leastBytes + bytes)),
    };
  }

  #logicalGiver(one: ShrinkableContainer, volume: LogicalVolume): Giver {
    const leastBytes = this.#leastLogical(one, volume);
    const set = (bytes: number) => {
      this.#logical.set(volume, bytes);
      this.#partitions.set(
        one,
        leastPartitionBytes(one, this.#volumes, (inner) => this.#sizeOf(inner)),
      );
    };
    return {
      slackBytes: volume.sizeBytes - leastBytes,
      give: () => set(leastBytes),
      takeBack: (bytes) => {
        const grainBytes = grainOf(one.container);
        set(Math.min(volume.sizeBytes, leastBytes + Math.floor(bytes / grainBytes) * grainBytes));
      },
    };
  }

  #sizeOf(volume: LogicalVolume): number {
    return this.#logical.get(volume) ?? volume.sizeBytes;
  }

  #leastPartition(one: ShrinkableContainer): number {
    return leastPartitionBytes(one, this.#volumes, (volume) => this.#leastLogical(one, volume));
  }

  #leastLogical(one: ShrinkableContainer, volume: LogicalVolume): number {
    const known = this.#leastOf.get(volume.parts[0]!);
    if (known === undefined) return leastLogicalBytes(one, volume, this.#volumes);
    const grainBytes = grainOf(one.container);
    return Math.min(volume.sizeBytes, Math.ceil(known / grainBytes) * grainBytes);
  }

  /** About the least size of the partition that holds this volume; its present size when it cannot shrink. */
  #leastVolume(i: number): number {
    const known = this.#leastOf.get(i);
    if (known !== undefined) return known;
    const volume = this.#volumes[i]!;
    if (volume.kind !== 'partition' || volume.within !== undefined || !canShrink(volume)) return volume.sizeBytes;
    return Math.min(volume.sizeBytes, alignUp(leastBytesFor(volume.filesystem!, usedOf(volume))));
  }
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}

function alignDown(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}
