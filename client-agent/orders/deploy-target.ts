/**
 * One disk that a deployment lays: what is known of it, and what is done to it once bytes for it are there. How they come is
 * the job's concern (deploy.ts). It keeps no promise over a reboot: a new target lacks everything, or hashes its disk.
 */
import type { CastOrder, DeployOrder, DeployResult, Inventory, Progress } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { type FitChange, placeManifest } from '#protocol/fit.ts';
import { HoleSet } from '#protocol/holes.ts';
import { decodeManifest, type Manifest, placeOf } from '#protocol/manifest.ts';
import type { Logger } from '#system/log.ts';
import { readContent } from '../disk/disk-content.ts';
import { checkLayout } from '../disk/layout-check.ts';
import { applyLayout, type ClearedRun, clearLabel, clearTable, findLabel } from '../disk/layout-writer.ts';
import { withNewIds } from '../disk/new-ids.ts';
import { writeSwapHeader } from '../disk/swap.ts';
import { makeZero, zeroRunsOf } from '../disk/zero-runs.ts';
import { chooseBufferBytes } from '../receive/buffer-size.ts';
import type { ByteSource } from '../receive/byte-source.ts';
import { DiskWorkers } from '../receive/disk-workers.ts';
import { FrameReader } from '../receive/frame-reader.ts';
import { layStream } from '../receive/lay-stream.ts';
import { ProgressMeter } from '../receive/progress-meter.ts';
import { plainBytesOf, readBack } from '../receive/read-back.ts';
import type { ServerLink } from '../server-link.ts';
import { runFinishers } from './finish.ts';
import { changesOfOrder, checkFit, finishFit, isRewritten } from './fit.ts';

/** What a deployment needs of the machine that it runs on. */
export interface DeployMachine {
  readInventory(): Promise<Inventory>;
  readonly link: ServerLink;
  readonly workerCount: number;
  /** Memory for what waits to be written; absent: a share of what is free. */
  readonly bufferBytes?: number;
  readonly log: Logger;
}

/** A stream of frames to be laid, and the road that it came by. */
export interface FrameStream {
  readonly source: ByteSource;
  readonly reader: FrameReader;
  readonly road: 'cast' | 'http';
}

interface Known {
  readonly disk: Disk;
  /** With the volumes where they lie on this disk. */
  readonly manifest: Manifest;
  /** What lies elsewhere or is larger than on the source. */
  readonly changes: readonly FitChange[];
  readonly workers: DiskWorkers;
}

export class DeployTarget {
  /** Chunks that the disk lacks. */
  readonly holes: HoleSet;
  readonly workers: DiskWorkers;
  readonly #disk: Disk;
  readonly #manifest: Manifest;
  readonly #changes: readonly FitChange[];
  readonly #machine: DeployMachine;
  /** Chunks that were not read from the disk and found right since they were last written. Every hole is among them. */
  readonly #unverified: HoleSet;
  readonly #laidBytes = { cast: 0, http: 0 };
  #isLabelCleared = false;
  #isUnread = true;
  #keptBytes = 0;
  #readBytesPerSecond: number | undefined;

  private constructor({ disk, manifest, changes, workers }: Known, machine: DeployMachine) {
    this.#disk = disk;
    this.#manifest = manifest;
    this.#changes = changes;
    this.workers = workers;
    this.#machine = machine;
    this.holes = HoleSet.all(manifest.chunkCount);
    this.#unverified = this.holes.clone();
  }

  /**
   * Does the image of the order fit the disk? Nothing is written yet, and everything counts as lacking.
   * Throws DISK_SECTOR_SIZE, DISK_TOO_SMALL, AGENT_FAILED. Its threads run until `close`.
   */
  static async prepare(
    order: DeployOrder,
    disk: Disk,
    machine: DeployMachine,
    signal: AbortSignal,
  ): Promise<DeployTarget> {
    const manifestBytes = await machine.link.readManifest(order.manifestId, signal);
    const source = decodeManifest(manifestBytes, order.manifestId);
    const changes = changesOfOrder(source.head, disk, order.fit);
    const manifest = placeManifest(source, order.fit);
    checkFit(disk, manifest);
    const count = machine.workerCount;
    const bufferBytes = machine.bufferBytes ?? chooseBufferBytes();
    const workers = await DiskWorkers.start({
      ...{ diskPath: disk.path, manifest, manifestBytes, fit: order.fit, count, bufferBytes },
    });
    return new DeployTarget({ disk, manifest, changes, workers }, machine);
  }

  /** What the disk holds was not looked at yet, and nothing was laid on it that this target would know of. */
  get isUnread(): boolean {
    return this.#isUnread;
  }

  /** Ends the worker threads. */
  close(): Promise<void> {
    return this.workers.stop();
  }

  /** What the disk already holds is no hole. Writes nothing; one that was broken off goes on. */
  async hash(onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<void> {
    await this.readBack(new ProgressMeter('hash', this.holes, onProgress), signal, 'wrong');
    // The first write clears the label, and with it what of the image lies there: better cast with the rest than repaired alone.
    if (this.holes.count > 0) this.#addCleared(findLabel(this.#disk));
    const all = HoleSet.all(this.#manifest.chunkCount);
    this.#keptBytes = plainBytesOf(this.#manifest, all) - plainBytesOf(this.#manifest, this.#unverified);
    this.#isUnread = false;
  }

  /** Reads the frames of a stream that is for this image: one of that cast, or one with that nonce over HTTP. */
  makeReader(sessionId: number, nonce: Buffer, cast?: CastOrder): FrameReader {
    return new FrameReader({
      sessionId,
      ...(cast ? { castId: cast.castId } : {}),
      manifestId: this.#manifest.id,
      nonce,
      chunkCount: this.#manifest.chunkCount,
      maxPayloadBytes: this.workers.maxPayloadBytes,
    });
  }

  /** Lays what is lacking of a stream, to its end. Throws as layStream does; what was laid until then is no hole. */
  async lay({ source, reader, road }: FrameStream, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    const { workers, holes } = this;
    const totalBytes = plainBytesOf(this.#manifest, holes);
    this.#isUnread = false;
    let laidBytes = 0;
    try {
      const laid = await layStream({
        ...{ source, reader, workers, holes, signal },
        ...(meter.gauge === undefined ? {} : { gauge: meter.gauge }),
        beforeFirstWrite: () => this.#clearLabel(),
        onLaid: (sum) => {
          laidBytes = sum.plainBytes;
          meter.moved(laidBytes, totalBytes);
        },
      });
      const { announcement, mismatch, trailer, counts } = reader;
      this.#machine.log.info({ road, ...laid, ...counts, announcement, mismatch, trailer }, 'the stream ended');
    } finally {
      this.#laidBytes[road] += laidBytes;
    }
  }

  /** Reads back around the page cache what was written since it was last read; a wrong chunk is a hole again. */
  async readBack(meter: ProgressMeter, signal: AbortSignal, unreadable: 'fail' | 'wrong' = 'fail'): Promise<void> {
    const { workers, holes } = this;
    const read = { manifest: this.#manifest, unverified: this.#unverified, workers, holes, meter, signal, unreadable };
    this.#readBytesPerSecond = (await readBack(read)) ?? this.#readBytesPerSecond;
  }

  /** All data is in its place: now the rest that makes a disk bootable, the table last (docs/decisions/0002). */
  async finish(order: DeployOrder, meter: ProgressMeter, signal: AbortSignal): Promise<DeployResult> {
    const [disk, manifest, changes] = [this.#disk, this.#manifest, this.#changes];
    if (this.holes.count > 0) {
      throw knownError('AGENT_FAILED', { reason: `told to finish while ${this.holes.count} chunks are lacking` });
    }
    await this.workers.sync();
    // Nothing was written when nothing was lacking: then the old table still stands, and must not while a volume is changed.
    const clearOldTable = () => clearTable(disk, manifest.head.layout.label);
    await this.#makeZero(clearOldTable, meter, signal);
    if (changes.some(isRewritten)) await clearOldTable();
    const fitted = await finishFit(disk, changes);
    for (const volume of manifest.volumes) if (volume.swap !== undefined) await writeSwapHeader(disk, volume);
    const layout = order.newIds === true ? withNewIds(manifest.head.layout) : manifest.head.layout;
    await applyLayout(disk, layout);
    await this.workers.sync();
    await checkLayout(disk, layout);
    this.#isLabelCleared = false;
    const { link, readInventory } = this.#machine;
    const finishers = await runFinishers(order.finishing, {
      ...{ disk, manifest: { ...manifest, head: { ...manifest.head, layout } }, changes, link, readInventory, signal },
    });
    return {
      disk: { ...disk, content: await readContent(disk.path, disk.sectorBytes) },
      chunks: manifest.chunkCount,
      castBytes: this.#laidBytes.cast,
      httpBytes: this.#laidBytes.http,
      keptBytes: this.#keptBytes,
      verifiedChunks: manifest.chunkCount - this.#unverified.count,
      ...(this.#readBytesPerSecond === undefined ? {} : { readBytesPerSecond: this.#readBytesPerSecond }),
      ...(fitted.length === 0 ? {} : { fitted }),
      ...(finishers.length === 0 ? {} : { finishers }),
    };
  }

  /** What raw volumes held as zeros came in no chunk. */
  async #makeZero(beforeFirstWrite: () => Promise<void>, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    const runs = zeroRunsOf(this.#manifest);
    const totalBytes = runs.reduce((sum, run) => sum + run.endBytes - run.startBytes, 0);
    const onDone = (bytes: number) => meter.moved(bytes, totalBytes);
    const writtenBytes = await makeZero(this.#disk, runs, { signal, beforeFirstWrite, onDone });
    this.#machine.log.info({ totalBytes, writtenBytes }, 'what raw volumes held as zeros is zeros');
  }

  /** The disk is neither the old nor the new system from here on: no firmware must boot it (docs/decisions/0002). */
  async #clearLabel(): Promise<void> {
    if (this.#isLabelCleared) return;
    this.#addCleared(await clearLabel(this.#disk));
    this.#isLabelCleared = true;
  }

  /** Chunks that reach into what was, or will be, cleared are lacking. */
  #addCleared(runs: readonly ClearedRun[]): void {
    for (const ordinal of chunksWithin(this.#manifest, runs)) {
      this.holes.add(ordinal);
      this.#unverified.add(ordinal);
    }
  }
}

function chunksWithin(manifest: Manifest, runs: readonly ClearedRun[]): number[] {
  const hit: number[] = [];
  for (let ordinal = 0; ordinal < manifest.chunkCount; ordinal++) {
    const { diskOffset, plainBytes } = placeOf(manifest, ordinal);
    if (runs.some((run) => run.startBytes < diskOffset + plainBytes && diskOffset < run.endBytes)) hit.push(ordinal);
  }
  return hit;
}
