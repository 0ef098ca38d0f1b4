/**
 * The disks that one deployment lays at once (`--disk each`; mostly it is one). They take the same stream, and what any of them lacks is
 * lacking. A disk that fails is left where it is and named in the end; the others go on. The only disk, or the last, fails the step.
 */
import type { CastOrder, DeployOrder } from '#protocol/agent-api.ts';
import { KnownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import { decodeManifest, type Manifest } from '#protocol/manifest.ts';
import type { DeployResult, DiskResult } from '#protocol/task-result.ts';
import { chooseBufferBytes } from '../receive/buffer-size.ts';
import type { ByteSource } from '../receive/byte-source.ts';
import { FrameReader } from '../receive/frame-reader.ts';
import { layStream } from '../receive/lay-stream.ts';
import type { Meter, ProgressMeter } from '../receive/progress-meter.ts';
import { SlabPool } from '../receive/slab-pool.ts';
import type { DeployMachine } from './deploy-machine.ts';
import { DeployTarget, type OrderedDisk } from './deploy-target.ts';
import { disksFailed, failuresOf, sayFailed } from './disk-failure.ts';
import { forgetSecrets, readSecrets } from './secrets.ts';

/** A stream of frames to be laid, and the road that it came by. */
export interface FrameStream {
  readonly source: ByteSource;
  readonly reader: FrameReader;
  readonly road: 'cast' | 'http';
}

interface Shared {
  readonly manifest: Manifest;
  readonly slabs: SlabPool;
  readonly machine: DeployMachine;
  /** What opens LUKS containers. */
  readonly keys: readonly Uint8Array[];
}

export class DeployTargets {
  /** Where the stream waits. */
  readonly slabs: SlabPool;
  /** What was taken away that opened containers, and each disk that has failed while others go on. */
  readonly warnings: string[];
  readonly #targets: readonly DeployTarget[];
  readonly #manifest: Manifest;
  readonly #machine: DeployMachine;
  readonly #keys: readonly Uint8Array[];

  private constructor(targets: readonly DeployTarget[], { manifest, slabs, machine, keys }: Shared) {
    this.#targets = targets;
    this.warnings = targets.flatMap((target) => target.warnings);
    this.#manifest = manifest;
    this.slabs = slabs;
    this.#machine = machine;
    this.#keys = keys;
  }

  /** Nothing is written yet: whatever is wrong with one of the disks is wrong with all. Throws as DeployTarget.prepare. */
  static async prepare(
    order: DeployOrder,
    disks: readonly OrderedDisk[],
    machine: DeployMachine,
    signal: AbortSignal,
  ): Promise<DeployTargets> {
    const manifestBytes = await machine.link.readManifest(order.manifestId, signal);
    const manifest = decodeManifest(manifestBytes, order.manifestId);
    const threads = Math.ceil(machine.workerCount / disks.length);
    const bufferBytes = machine.bufferBytes ?? chooseBufferBytes();
    const { chunkBytes } = manifest.head;
    const slabs = new SlabPool({ chunkBytes, threads: threads * disks.length, bufferBytes });
    const keys = manifest.head.containers === undefined ? [] : await readSecrets(order, machine.link, signal);
    // What is not read does not count: then containers get other volume keys.
    const isHashing = order.hash === true;
    const shared = { machine, manifestBytes, slabs, threads, keys, isHashing };
    const targets: DeployTarget[] = [];
    try {
      for (const disk of disks) {
        targets.push(await DeployTarget.prepare(manifest, disk, shared));
      }
    } catch (error) {
      for (const target of targets) await target.close();
      forgetSecrets(keys);
      throw error;
    }
    return new DeployTargets(targets, { manifest, slabs, machine, keys });
  }

  /** What any disk lacks that can still get it. */
  get holes(): HoleSet {
    const [first, ...others] = this.living.map(({ holes }) => holes);
    if (first === undefined) return HoleSet.none(this.#manifest.chunkCount);
    if (others.length === 0) return first;
    const union = first.clone();
    for (const holes of others) union.addAll(holes);
    return union;
  }

  /** Those that have not failed. */
  get living(): DeployTarget[] {
    return this.#targets.filter(({ failure }) => failure === undefined);
  }

  get failed(): DeployTarget[] {
    return this.#targets.filter(({ failure }) => failure !== undefined);
  }

  /** The disks are held by this job itself. */
  get areHeld(): boolean {
    return this.#targets.some(({ isHeld }) => isHeld);
  }

  /** How many chunks are lacking. */
  get count(): number {
    return this.holes.count;
  }

  /** Ends the worker threads and forgets the secrets. May be called twice. */
  async close(): Promise<void> {
    for (const target of this.#targets) await target.close();
    forgetSecrets(this.#keys);
  }

  /** What the disks already hold is no hole. */
  async hash(meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    await this.#atOnce(meter, signal, async (target, share) => {
      if (target.isUnread) await target.hash(share, signal);
    });
  }

  readBack(meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    return this.#atOnce(meter, signal, (target, share) => target.readBack(share, signal));
  }

  /** Reads the frames of a stream that is for this image: one of that cast, or one with that nonce over HTTP. */
  makeReader(sessionId: number, nonce: Buffer, cast?: CastOrder): FrameReader {
    return new FrameReader({
      sessionId,
      ...(cast ? { castId: cast.castId } : {}),
      manifestId: this.#manifest.id,
      nonce,
      chunkCount: this.#manifest.chunkCount,
      maxPayloadBytes: this.slabs.maxPayloadBytes,
    });
  }

  /** Lays what each disk lacks of a stream, to its end. Throws as layStream does; what was laid until then is no hole. */
  async lay({ source, reader, road }: FrameStream, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    const { living, slabs } = this;
    const shares = meter.shares(living.length);
    const laid = await layStream({
      ...{ source, reader, slabs, signal },
      targets: living.map((target, i) => target.beginLaying(road, shares[i]!)),
      // What a repair leaves out would have to be repaired.
      leavesOutSlow: road === 'cast',
      ...(meter.gauge === undefined ? {} : { gauge: meter.gauge }),
    });
    this.#noteFailures(living);
    const { announcement, mismatch, trailer, counts } = reader;
    this.#machine.log.info({ road, laid, ...counts, announcement, mismatch, trailer }, 'the stream ended');
  }

  /** All data is in its place: now the rest that makes the disks bootable, the tables of all of them last (docs/decisions/0002). */
  async finish(order: DeployOrder, meter: ProgressMeter, signal: AbortSignal): Promise<DeployResult> {
    await this.#atOnce(meter, signal, (target, share) => target.settle(share, signal));
    await this.#inTurn(signal, (target) => target.complete());
    if (order.unchecked !== true) await this.#inTurn(signal, (target) => target.activate(signal));
    await this.#inTurn(signal, (target) => target.label(order.newIds === true));
    // The system is on the first of an image's disks: it is looked for, and made one of its own, there.
    const isSystem = (target: DeployTarget) =>
      this.#manifest.head.moreDisks === undefined || target === this.#targets[0];
    await this.#inTurn(signal, async (target) => {
      await target.runFinishers(isSystem(target) ? order.finishing : undefined, signal);
    });
    const results: DiskResult[] = [];
    for (const target of this.#targets) results.push(await target.result());
    return sumUp(results, this.#manifest.chunkCount);
  }

  /** On every disk at once that has not failed. */
  async #atOnce(
    meter: ProgressMeter,
    signal: AbortSignal,
    action: (target: DeployTarget, meter: Meter) => Promise<void>,
  ): Promise<void> {
    const { living } = this;
    const shares = meter.shares(living.length);
    await Promise.all(living.map((target, i) => this.#try(target, signal, () => action(target, shares[i]!))));
    this.#noteFailures(living);
  }

  /**
   * On one disk after the other: filesystems with the same UUID must not be mounted together. The first disk comes last, because of
   * boot entries the one that is made last is the first in order.
   */
  async #inTurn(signal: AbortSignal, action: (target: DeployTarget) => Promise<void>): Promise<void> {
    const { living } = this;
    for (const target of living.toReversed()) await this.#try(target, signal, () => action(target));
    this.#noteFailures(living);
  }

  /** What goes wrong is the failure of that disk, unless there is no other. */
  async #try(target: DeployTarget, signal: AbortSignal, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      signal.throwIfAborted();
      if (this.#targets.length === 1) throw error;
      this.#machine.log.warn({ err: error, disk: target.disk }, 'a disk has failed');
      target.fail(error);
    }
  }

  /** `before` were well. Throws when none is left. */
  #noteFailures(before: readonly DeployTarget[]): void {
    const failed = failuresOf(before);
    if (this.#targets.length === 1 && failed.length === 1) throw new KnownError(failed[0]!.error);
    for (const one of failed) this.warnings.push(`${sayFailed(one)}. The other disks of this host go on`);
    if (this.living.length === 0) throw disksFailed(failuresOf(this.#targets), this.#targets.length);
  }
}

/** Pure. */
function sumUp(results: readonly DiskResult[], chunks: number): DeployResult {
  const [first] = results;
  if (results.length === 1) return { ...first!, chunks };
  const sumOf = (key: 'castBytes' | 'httpBytes' | 'keptBytes') =>
    results.reduce((sum, result) => sum + (result[key] ?? 0), 0);
  return {
    disk: first!.disk,
    chunks,
    castBytes: sumOf('castBytes'),
    httpBytes: sumOf('httpBytes'),
    keptBytes: sumOf('keptBytes'),
    verifiedChunks: results.every(({ ownChunks }) => ownChunks === undefined)
      ? Math.min(...results.map(({ verifiedChunks }) => verifiedChunks))
      : results.reduce((sum, { verifiedChunks }) => sum + verifiedChunks, 0),
    disks: [...results],
  };
}
