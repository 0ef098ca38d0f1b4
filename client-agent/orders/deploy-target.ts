/**
 * One disk that a deployment lays: what is known of it, and what is done to it once bytes for it are there. How they come is
 * the job's concern (deploy.ts), and that there may be several is that of deploy-targets.ts. It keeps no promise over a reboot: a new target lacks everything, or hashes its disk.
 */
import type { Activation } from '#protocol/activation.ts';
import type { DeployOrder } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { type ErrorBody, knownError } from '#protocol/errors.ts';
import type { FinisherResult } from '#protocol/finisher.ts';
import { type FitChange, placeManifest } from '#protocol/fit.ts';
import type { HoleSet } from '#protocol/holes.ts';
import type { Layout } from '#protocol/layout.ts';
import type { Manifest } from '#protocol/manifest.ts';
import { partOfDisk } from '#protocol/source-disk.ts';
import type { DeployResult, DiskResult } from '#protocol/task-result.ts';
import { readContent } from '../disk/disk-content.ts';
import { checkLayout } from '../disk/layout-check.ts';
import { applyLayout, clearLabel, clearTable, findLabel } from '../disk/layout-writer.ts';
import { withNewIds } from '../disk/new-ids.ts';
import { writeSwapHeader } from '../disk/swap.ts';
import { bytesOf, makeZero, zeroRunsOf } from '../disk/zero-runs.ts';
import { DiskWorkers } from '../receive/disk-workers.ts';
import type { LayTarget } from '../receive/lay-stream.ts';
import type { Meter } from '../receive/progress-meter.ts';
import { readBack } from '../receive/read-back.ts';
import type { SlabPool } from '../receive/slab-pool.ts';
import { activateContainers } from './activation.ts';
import type { DeployMachine } from './deploy-machine.ts';
import { bodyOf, withoutHost } from './disk-failure.ts';
import { FinisherFailure, runFinishers } from './finish.ts';
import { changesOfOrder, checkFit, finishFit, isRewritten } from './fit.ts';
import { TargetChunks } from './target-chunks.ts';
import { TargetContainers } from './target-containers.ts';

/** What all targets of a job share. */
export interface SharedByTargets {
  readonly machine: DeployMachine;
  readonly manifestBytes: Buffer;
  readonly slabs: SlabPool;
  /** Of each target. */
  readonly threads: number;
  /** What is to open the LUKS containers of the image. */
  readonly keys: readonly Uint8Array[];
  /** What lies on the disks will be read, so that it counts. */
  readonly isHashing: boolean;
}

/** A disk and where the volumes lie on it: what an order says of each. */
export interface OrderedDisk {
  readonly disk: Disk;
  /** Which disk of the image goes there, counted from 0. */
  readonly source: number;
  readonly fit: DeployOrder['fit'];
}

interface Known {
  readonly disk: Disk;
  /** LUKS containers of the image; absent: it has none. */
  readonly containers: TargetContainers | undefined;
  /** With the volumes where they lie on this disk. */
  readonly manifest: Manifest;
  /** What lies elsewhere or is larger than on the source. */
  readonly changes: readonly FitChange[];
  readonly workers: DiskWorkers;
}

/** What `complete`, `activate` and `label` have done, for the finishers and the result. */
interface Finished {
  readonly fitted: NonNullable<DeployResult['fitted']>;
  layout: Layout;
  containers: readonly Activation[];
  finishers: readonly FinisherResult[];
}

export class DeployTarget {
  readonly workers: DiskWorkers;
  readonly disk: Disk;
  /** Why this disk gets no image; undefined: nothing is wrong. */
  failure: ErrorBody | undefined;
  readonly #containers: TargetContainers | undefined;
  readonly #manifest: Manifest;
  readonly #chunks: TargetChunks;
  readonly #changes: readonly FitChange[];
  readonly #machine: DeployMachine;
  readonly #laidBytes = { cast: 0, http: 0 };
  #isLabelCleared = false;
  #isUnread = true;
  #keptBytes = 0;
  #readBytesPerSecond: number | undefined;
  #finished: Finished | undefined;

  private constructor({ disk, containers, manifest, changes, workers }: Known, machine: DeployMachine) {
    this.disk = disk;
    this.#containers = containers;
    this.#manifest = manifest;
    this.#changes = changes;
    this.workers = workers;
    this.#machine = machine;
    this.#chunks = new TargetChunks(manifest);
  }

  /**
   * Does the image fit the disk? Nothing is written yet, and everything counts as lacking.
   * Throws DISK_SECTOR_SIZE, DISK_TOO_SMALL, LUKS_FAILED, AGENT_FAILED. Its threads run until `close`.
   */
  static async prepare(
    image: Manifest,
    { disk, source, fit }: OrderedDisk,
    { machine, manifestBytes, slabs, threads, keys, isHashing }: SharedByTargets,
  ): Promise<DeployTarget> {
    const part = partOfDisk(image, source);
    const changes = changesOfOrder(part.head, disk, fit);
    const manifest = placeManifest(part, fit);
    checkFit(disk, manifest);
    const locked = manifest.head.containers;
    const containers = locked && (await TargetContainers.prepare(disk, locked, keys, isHashing));
    try {
      const diskPath = containers?.disk.path ?? disk.path;
      const workers = await DiskWorkers.start({ diskPath, manifestBytes, source, fit, count: threads, slabs });
      return new DeployTarget({ disk, containers, manifest, changes, workers }, machine);
    } catch (error) {
      await containers?.close();
      throw error;
    }
  }

  /** Chunks that the disk lacks. */
  get holes(): HoleSet {
    return this.#chunks.holes;
  }

  /** What the admin should know of its containers. */
  get warnings(): readonly string[] {
    return this.#containers?.warnings ?? [];
  }

  /** The disk is held by this target itself. */
  get isHeld(): boolean {
    return this.#containers !== undefined;
  }

  /** What the disk holds was not looked at yet, and nothing was laid on it that this target would know of. */
  get isUnread(): boolean {
    return this.#isUnread;
  }

  /** Plain bytes of what is lacking. */
  get lackingBytes(): number {
    return this.#chunks.lackingBytes;
  }

  /** Ends the worker threads and lets go of the disk. May be called twice. */
  async close(): Promise<void> {
    await this.workers.stop();
    await this.#containers?.close();
  }

  /** What the disk already holds is no hole. Writes nothing; one that was broken off goes on. */
  async hash(meter: Meter, signal: AbortSignal): Promise<void> {
    await this.readBack(meter, signal, 'wrong');
    // The first write clears the label, and with it what of the image lies there: better cast with the rest than repaired alone.
    if (this.#containers !== undefined) this.#chunks.addWithin(this.#containers.newPayloads);
    if (this.holes.count > 0) this.#chunks.addWithin(findLabel(this.#open));
    this.#keptBytes = this.#chunks.verifiedBytes;
    this.#isUnread = false;
  }

  /** Its part of a stream. The disk is neither the old nor the new system from the first write on: no firmware must boot it (docs/decisions/0002). */
  beginLaying(road: 'cast' | 'http', meter: Meter): LayTarget {
    const { workers, holes, lackingBytes } = this;
    this.#isUnread = false;
    let laidBytes = 0;
    return {
      ...{ workers, holes },
      beforeFirstWrite: () => this.#clearLabel(),
      onLaid: ({ plainBytes }) => {
        this.#laidBytes[road] += plainBytes - laidBytes;
        laidBytes = plainBytes;
        meter.moved(laidBytes, lackingBytes);
      },
      onFailed: (error) => this.fail(error),
    };
  }

  /** Reads back around the page cache what was written since it was last read; a wrong chunk is a hole again. */
  async readBack(meter: Meter, signal: AbortSignal, unreadable: 'fail' | 'wrong' = 'fail'): Promise<void> {
    const { holes, unverified } = this.#chunks;
    const read = { manifest: this.#manifest, unverified, workers: this.workers, holes, meter, signal, unreadable };
    this.#readBytesPerSecond = (await readBack(read)) ?? this.#readBytesPerSecond;
  }

  /** Notes, once, what is wrong with this disk. `{host}` stays open in it. */
  fail(error: unknown): void {
    this.failure ??= bodyOf(error);
  }

  /** All chunks are in their places: now what came in no chunk because it is zeros. */
  async settle(meter: Meter, signal: AbortSignal): Promise<void> {
    if (this.holes.count > 0) {
      throw knownError('AGENT_FAILED', { reason: `told to finish while ${this.holes.count} chunks are lacking` });
    }
    await this.workers.sync();
    const runs = zeroRunsOf(this.#manifest);
    const totalBytes = bytesOf(runs);
    const onDone = (bytes: number) => meter.moved(bytes, totalBytes);
    const beforeFirstWrite = () => this.#clearOldTable();
    const writtenBytes = await makeZero(this.#open, runs, { signal, beforeFirstWrite, onDone });
    this.#machine.log.info({ totalBytes, writtenBytes }, 'what raw volumes held as zeros is zeros');
  }

  /** The rest of what the disk carries, but for its table. */
  async complete(): Promise<void> {
    const { head, volumes } = this.#manifest;
    if (this.#changes.some(isRewritten) || this.#containers?.hasNewHeaders === true) await this.#clearOldTable();
    await this.#containers?.layHeaders();
    const fitted = await finishFit(this.#open, this.#changes);
    for (const volume of volumes) if (volume.swap !== undefined) await writeSwapHeader(this.#open, volume);
    this.#finished = { fitted, layout: head.layout, containers: [], finishers: [] };
  }

  /**
   * Everything lies in its place: do the containers come up, and is what lies in them sound? Writes nothing. Throws CONTAINER_BROKEN,
   * VOLUME_DAMAGED: the disk gets no table then; where nothing had to be laid, it is as it was.
   */
  async activate(signal: AbortSignal): Promise<void> {
    this.#finished!.containers = await activateContainers(this.#open, this.#manifest.head, signal);
  }

  /** The table, last of all (docs/decisions/0002): from now on the disk is the new system. */
  async label(hasNewIds: boolean): Promise<void> {
    const finished = this.#finished!;
    if (hasNewIds) finished.layout = withNewIds(finished.layout);
    // The table is written on the disk itself, which nobody else must remember otherwise (unlocked-disk.ts).
    if (this.#containers !== undefined) await this.close();
    await applyLayout(this.disk, finished.layout);
    await this.workers.sync();
    await checkLayout(this.disk, finished.layout);
    this.#isLabelCleared = false;
  }

  /** Throws FINISHER_FAILED: the disk has no table then. */
  async runFinishers(finishing: DeployOrder['finishing'], signal: AbortSignal): Promise<void> {
    const finished = this.#finished!;
    const { link, readInventory } = this.#machine;
    const manifest = { ...this.#manifest, head: { ...this.#manifest.head, layout: finished.layout } };
    const o = { manifest, changes: this.#changes, link, readInventory, signal };
    const runOn = (disk: Disk) => runFinishers(finishing, { ...o, disk, hardwarePath: this.disk.path });
    try {
      finished.finishers = await this.#whileOpened(finishing !== undefined, runOn);
    } catch (error) {
      if (error instanceof FinisherFailure) finished.finishers = error.results;
      throw error;
    }
  }

  async result(): Promise<DiskResult> {
    const { disk, failure } = this;
    const chunks = this.#chunks;
    const { fitted = [], containers = [], finishers = [] } = this.#finished ?? {};
    return {
      disk: { ...disk, content: await readContent(disk.path, disk.sectorBytes) },
      castBytes: this.#laidBytes.cast,
      httpBytes: this.#laidBytes.http,
      keptBytes: this.#keptBytes,
      ...(chunks.count === this.#manifest.chunkCount ? {} : { ownChunks: chunks.count }),
      verifiedChunks: chunks.verifiedCount,
      ...(this.#readBytesPerSecond === undefined ? {} : { readBytesPerSecond: this.#readBytesPerSecond }),
      ...(fitted.length === 0 ? {} : { fitted }),
      ...(containers.length === 0 ? {} : { containers: [...containers] }),
      ...(finishers.length === 0 ? {} : { finishers: [...finishers] }),
      ...(failure === undefined ? {} : { error: { ...failure, message: withoutHost(failure.message) } }),
    };
  }

  /** The disk as its volumes lie on it in the clear. */
  get #open(): Disk {
    return this.#containers?.disk ?? this.disk;
  }

  /**
   * The disk with its containers open by what lies on it, when they were made anew or `isNeeded`. One that does not open must not be
   * booted. Throws what `use` throws, LUKS_KEY_REFUSED, LUKS_FAILED.
   */
  async #whileOpened<T>(isNeeded: boolean, use: (disk: Disk) => Promise<T>): Promise<T> {
    const containers = this.#containers;
    if (containers === undefined || !(containers.areUntried || isNeeded)) return use(this.disk);
    let isOpen = false;
    try {
      return await containers.whileOpened((disk) => {
        isOpen = true;
        return use(disk);
      });
    } catch (error) {
      if (!isOpen) await clearLabel(this.disk);
      throw error;
    }
  }

  /** Nothing was written when nothing was lacking: then the old table still stands, and must not while a volume is changed. */
  #clearOldTable(): Promise<void> {
    return clearTable(this.#open, this.#manifest.head.layout.label);
  }

  async #clearLabel(): Promise<void> {
    if (this.#isLabelCleared) return;
    this.#chunks.addWithin(await clearLabel(this.#open));
    await this.#containers?.layHeaders();
    this.#isLabelCleared = true;
  }
}
