/**
 * The deploy job of one host, from top to bottom: prepare → hold → receive → repair → verify → finish.
 * The server orders each step, in whatever sequence the session needs; the job only keeps what it knows: its disk, the
 * manifest, and its holes. Losing it (a reboot) costs time, never truth: a new job lacks everything, or hashes its disk.
 */
import { randomBytes } from 'node:crypto';
import type { CastOrder, DeployOrder, DeployResult, Inventory, Progress } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { type FitChange, placeManifest } from '#protocol/fit.ts';
import { NONCE_BYTES } from '#protocol/frame.ts';
import { HoleSet } from '#protocol/holes.ts';
import { type Layout, leastDiskBytes, type Partition } from '#protocol/layout.ts';
import { decodeManifest, type Manifest, placeOf } from '#protocol/manifest.ts';
import type { Logger } from '#system/log.ts';
import { readContent } from '../disk/disk-content.ts';
import { findDisk } from '../disk/disk-finder.ts';
import { requireUnused } from '../disk/disk-use.ts';
import { readLayout } from '../disk/layout-reader.ts';
import { applyLayout, type ClearedRun, clearLabel, clearTable, findLabel } from '../disk/layout-writer.ts';
import { withNewIds } from '../disk/new-ids.ts';
import { writeSwapHeader } from '../disk/swap.ts';
import { chooseBufferBytes } from '../receive/buffer-size.ts';
import { type ByteSource, drain, sourceOf } from '../receive/byte-source.ts';
import { DiskWorkers } from '../receive/disk-workers.ts';
import { FrameReader } from '../receive/frame-reader.ts';
import { layStream } from '../receive/lay-stream.ts';
import { ProgressMeter } from '../receive/progress-meter.ts';
import { plainBytesOf, readBack } from '../receive/read-back.ts';
import { StreamGauge } from '../receive/stream-gauge.ts';
import { startUdpReceiver } from '../receive/udp-receiver.ts';
import { retryWhileAway, type ServerLink } from '../server-link.ts';
import { runFinishers } from './finish.ts';
import { changesOfOrder, finishFit, isRewritten } from './fit.ts';

/** A disk that hangs moves nothing; the reports must still say how full the buffer is. In ms. */
const TELL_BUFFER_MS = 1000;

/** What the job needs of the machine that it runs on. */
export interface DeployMachine {
  readInventory(): Promise<Inventory>;
  readonly link: ServerLink;
  readonly workerCount: number;
  /** Memory for what waits to be written; absent: a share of what is free. */
  readonly bufferBytes?: number;
  readonly log: Logger;
}

/** What a prepared job knows. */
interface Prepared {
  readonly disk: Disk;
  readonly interfaceName: string;
  /** With the volumes where they lie on this disk. */
  readonly manifest: Manifest;
  /** What lies elsewhere or is larger than on the source. */
  readonly changes: readonly FitChange[];
  readonly workers: DiskWorkers;
  readonly holes: HoleSet;
  /** Chunks that were not read from the disk and found right since they were last written. Every hole is among them. */
  readonly unverified: HoleSet;
}

export class DeployJob {
  readonly taskId: number;
  readonly manifestId: string;
  readonly #machine: DeployMachine;
  #prepared: Prepared | undefined;
  #isLabelCleared = false;
  /** What the disk holds was not looked at yet, and nothing was laid on it that this job would know of. */
  #isUnread = true;
  #keptBytes = 0;
  #castBytes = 0;
  #httpBytes = 0;
  #readBytesPerSecond: number | undefined;

  constructor(order: DeployOrder, machine: DeployMachine) {
    this.taskId = order.taskId;
    this.manifestId = order.manifestId;
    this.#machine = machine;
  }

  /** Of the deployment network; known once it has prepared. */
  get interfaceName(): string | undefined {
    return this.#prepared?.interfaceName;
  }

  /** Whether the order belongs to this job. */
  isOf(order: DeployOrder): boolean {
    return order.taskId === this.taskId && order.manifestId === this.manifestId;
  }

  /**
   * Does the step that is ordered; its holes are with the server when it returns. The result comes from the step `finish`.
   * Throws what the admin should read, or AbortError when the signal fires: then everything handed to the disk is written.
   */
  async run(
    order: DeployOrder,
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ): Promise<DeployResult | undefined> {
    if (order.step === 'hold') return undefined;
    if (this.#prepared !== undefined && order.step === 'prepare') await this.#checkDisk(order);
    this.#prepared ??= await this.#prepare(order, signal);
    const prepared = this.#prepared;
    const meter = new ProgressMeter(order.step, prepared.holes, onProgress);
    switch (order.step) {
      case 'prepare':
        if (order.hash === true && this.#isUnread) {
          await this.#hash(prepared, new ProgressMeter('hash', prepared.holes, onProgress), signal);
        }
        break;
      case 'receive':
        await this.#receive(order, prepared, meter, signal);
        break;
      case 'repair':
        await this.#repair(order, prepared, meter, signal);
        break;
      case 'verify':
        await this.#readBack(prepared, meter, signal);
        break;
      case 'finish':
        return this.#finish(order, prepared, signal);
    }
    await this.#machine.link.putHoles(this.taskId, prepared.holes, signal);
    return undefined;
  }

  /** Ends the worker threads. */
  async close(): Promise<void> {
    await this.#prepared?.workers.stop();
    this.#prepared = undefined;
  }

  /** Step 1. Is it the disk of the plan, does the image fit it? Nothing is written yet, and everything counts as lacking. */
  async #prepare(order: DeployOrder, signal: AbortSignal): Promise<Prepared> {
    const { disk, interfaceName } = await this.#checkDisk(order);
    const manifestBytes = await this.#machine.link.readManifest(order.manifestId, signal);
    const source = decodeManifest(manifestBytes, order.manifestId);
    const changes = changesOfOrder(source.head, disk, order.fit);
    const manifest = placeManifest(source, order.fit);
    checkFit(disk, manifest);
    const count = this.#machine.workerCount;
    const bufferBytes = this.#machine.bufferBytes ?? chooseBufferBytes();
    const workers = await DiskWorkers.start({
      ...{ diskPath: disk.path, manifest, manifestBytes, fit: order.fit, count, bufferBytes },
    });
    const holes = HoleSet.all(manifest.chunkCount);
    return { disk, interfaceName, manifest, changes, workers, holes, unverified: holes.clone() };
  }

  /** Step 1, second half: what the disk already holds is no hole. Writes nothing; one that was broken off goes on. */
  async #hash(prepared: Prepared, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    await this.#readBack(prepared, meter, signal, 'wrong');
    const { disk, manifest, holes, unverified } = prepared;
    // The first write clears the label, and with it what of the image lies there: better cast with the rest than repaired alone.
    if (holes.count > 0) addCleared(prepared, findLabel(disk));
    const all = HoleSet.all(manifest.chunkCount);
    this.#keptBytes = plainBytesOf(manifest, all) - plainBytesOf(manifest, unverified);
    this.#isUnread = false;
  }

  /** Finds the disk of the plan among the disks that are there now. Throws DISK_CHANGED, DISK_AMBIGUOUS, DISK_IN_USE, DISK_READ_ONLY. */
  async #checkDisk(order: DeployOrder): Promise<{ disk: Disk; interfaceName: string }> {
    const inventory = await this.#machine.readInventory();
    const disk = findDisk(inventory.disks, order.disk);
    await requireUnused(disk, 'write');
    return { disk, interfaceName: inventory.interface };
  }

  /** Step 2. Hears the cast to its end, however it ends: what did not arrive whole stays a hole. */
  async #receive(order: DeployOrder, prepared: Prepared, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    const { cast } = order;
    if (cast === undefined) throw knownError('AGENT_FAILED', { reason: 'the order to receive names no cast' });
    const reader = this.#makeReader(order, prepared, Buffer.from(cast.nonce, 'hex'), cast);
    const receiver = startUdpReceiver(prepared.interfaceName, cast);
    const leave = () => receiver.leave();
    signal.addEventListener('abort', leave, { once: true });
    meter.gauge = new StreamGauge(prepared.workers);
    const telling = setInterval(() => meter.tellAgain(), TELL_BUFFER_MS);
    try {
      await this.#lay(receiver.source, reader, prepared, meter, signal, 'cast');
      if (reader.mismatch !== undefined) leave();
    } catch (error) {
      leave();
      throw error;
    } finally {
      clearInterval(telling);
      await drain(receiver.source);
      const end = await receiver.ended;
      signal.removeEventListener('abort', leave);
      this.#machine.log.info({ castId: cast.castId, ...end }, 'udp-receiver ended');
    }
    const { missing } = await receiver.ended;
    if (missing !== undefined) throw missing;
  }

  /** Step 3. Fetches the holes over HTTP: the very same frames on the very same road. */
  async #repair(order: DeployOrder, prepared: Prepared, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    if (prepared.holes.count === 0) return;
    const { link, log } = this.#machine;
    await retryWhileAway(
      async () => {
        const nonce = randomBytes(NONCE_BYTES);
        const stream = await link.frames(this.taskId, prepared.holes, nonce.toString('hex'), signal);
        try {
          await this.#lay(sourceOf(stream), this.#makeReader(order, prepared, nonce), prepared, meter, signal, 'http');
        } finally {
          stream.destroy();
        }
      },
      signal,
      log,
    );
  }

  /** Step 4. Reads back around the page cache what was written since it was last read; a wrong chunk is a hole again. */
  async #readBack(
    prepared: Prepared,
    meter: ProgressMeter,
    signal: AbortSignal,
    unreadable: 'fail' | 'wrong' = 'fail',
  ): Promise<void> {
    const bytesPerSecond = await readBack({ ...prepared, meter, signal, unreadable });
    this.#readBytesPerSecond = bytesPerSecond ?? this.#readBytesPerSecond;
  }

  /** Step 5. All data is in its place: now the rest that makes a disk bootable, the table last (docs/decisions/0002). */
  async #finish(order: DeployOrder, prepared: Prepared, signal: AbortSignal): Promise<DeployResult> {
    const { disk, manifest, changes, workers, holes, unverified } = prepared;
    if (holes.count > 0) {
      throw knownError('AGENT_FAILED', { reason: `told to finish while ${holes.count} chunks are lacking` });
    }
    await workers.sync();
    // Nothing was written when nothing was lacking: then the old table still stands, and must not while a filesystem is changed.
    if (changes.some(isRewritten)) await clearTable(disk, manifest.head.layout.label);
    const fitted = await finishFit(disk, changes);
    for (const volume of manifest.volumes) if (volume.swap !== undefined) await writeSwapHeader(disk, volume);
    const layout = order.newIds === true ? withNewIds(manifest.head.layout) : manifest.head.layout;
    await applyLayout(disk, layout);
    await workers.sync();
    await checkLayout(disk, layout);
    this.#isLabelCleared = false;
    const { link, readInventory } = this.#machine;
    const finishers = await runFinishers(order.finishing, {
      ...{ disk, manifest: { ...manifest, head: { ...manifest.head, layout } }, changes, link, readInventory, signal },
    });
    return {
      disk: { ...disk, content: await readContent(disk.path, disk.sectorBytes) },
      chunks: manifest.chunkCount,
      castBytes: this.#castBytes,
      httpBytes: this.#httpBytes,
      keptBytes: this.#keptBytes,
      verifiedChunks: manifest.chunkCount - unverified.count,
      ...(this.#readBytesPerSecond === undefined ? {} : { readBytesPerSecond: this.#readBytesPerSecond }),
      ...(fitted.length === 0 ? {} : { fitted }),
      ...(finishers.length === 0 ? {} : { finishers }),
    };
  }

  async #lay(
    source: ByteSource,
    reader: FrameReader,
    prepared: Prepared,
    meter: ProgressMeter,
    signal: AbortSignal,
    road: 'cast' | 'http',
  ): Promise<void> {
    const { manifest, workers, holes } = prepared;
    const totalBytes = plainBytesOf(manifest, holes);
    this.#isUnread = false;
    let laidBytes = 0;
    try {
      const laid = await layStream({
        source,
        reader,
        workers,
        holes,
        signal,
        ...(meter.gauge === undefined ? {} : { gauge: meter.gauge }),
        beforeFirstWrite: () => this.#clearLabel(prepared),
        onLaid: (sum) => {
          laidBytes = sum.plainBytes;
          meter.moved(laidBytes, totalBytes);
        },
      });
      const { announcement, mismatch, trailer, counts } = reader;
      this.#machine.log.info({ road, ...laid, ...counts, announcement, mismatch, trailer }, 'the stream ended');
    } finally {
      if (road === 'cast') this.#castBytes += laidBytes;
      else this.#httpBytes += laidBytes;
    }
  }

  #makeReader(order: DeployOrder, { manifest, workers }: Prepared, nonce: Buffer, cast?: CastOrder): FrameReader {
    return new FrameReader({
      sessionId: order.sessionId,
      ...(cast ? { castId: cast.castId } : {}),
      manifestId: manifest.id,
      nonce,
      chunkCount: manifest.chunkCount,
      maxPayloadBytes: workers.maxPayloadBytes,
    });
  }

  /** The disk is neither the old nor the new system from here on: no firmware must boot it (docs/decisions/0002). */
  async #clearLabel(prepared: Prepared): Promise<void> {
    if (this.#isLabelCleared) return;
    addCleared(prepared, await clearLabel(prepared.disk));
    this.#isLabelCleared = true;
  }
}

/** Chunks that reach into what was, or will be, cleared are lacking. */
function addCleared({ manifest, holes, unverified }: Prepared, runs: readonly ClearedRun[]): void {
  for (const ordinal of chunksWithin(manifest, runs)) {
    holes.add(ordinal);
    unverified.add(ordinal);
  }
}

/** Reads the table back: a disk that lost it would not boot. Throws DISK_WRITE_FAILED. */
async function checkLayout(disk: Disk, wanted: Layout): Promise<void> {
  const found = await readLayout(disk.path, disk.sectorBytes);
  if (holdsLayout(found, wanted)) return;
  const reason = 'the partition table reads back otherwise';
  throw knownError('DISK_WRITE_FAILED', { disk: disk.path, offset: 0, reason });
}

/** Everything that `wanted` says is so in `found`; what it leaves open (an id, say) was sfdisk's to choose. */
export function holdsLayout(found: Layout, wanted: Layout): boolean {
  const isSaid = (key: keyof Partition, partition: Partition, other: Partition) =>
    partition[key] === undefined || partition[key] === other[key];
  return (
    found.label === wanted.label &&
    (wanted.labelId === undefined || found.labelId === wanted.labelId) &&
    found.partitions.length === wanted.partitions.length &&
    wanted.partitions.every((partition, i) =>
      (Object.keys(partition) as (keyof Partition)[]).every((key) => isSaid(key, partition, found.partitions[i]!)),
    )
  );
}

/** Throws DISK_SECTOR_SIZE, DISK_TOO_SMALL. */
export function checkFit(disk: Disk, manifest: Manifest): void {
  const { layout } = manifest.head;
  if (layout.sectorBytes !== disk.sectorBytes) {
    const values = { disk: disk.path, have: disk.sectorBytes, need: layout.sectorBytes };
    throw knownError('DISK_SECTOR_SIZE', values);
  }
  const ends = manifest.volumes.map((volume) => volume.startBytes + volume.sizeBytes);
  const needBytes = Math.max(leastDiskBytes(layout), ...ends);
  if (disk.sizeBytes < needBytes) {
    throw knownError('DISK_TOO_SMALL', { disk: disk.path, haveBytes: disk.sizeBytes, needBytes });
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
