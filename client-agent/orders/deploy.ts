/**
 * The deploy job of one host, from top to bottom: prepare → hold → receive → repair → verify → finish.
 * The server orders each step, in whatever sequence the session needs; the job only keeps its target: the disk, and what
 * it lacks (deploy-targets.ts). Losing it (a reboot) costs time, never truth.
 */
import { randomBytes } from 'node:crypto';
import type { DeployOrder, Progress } from '#protocol/agent-api.ts';
import { isSameDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { NONCE_BYTES } from '#protocol/frame.ts';
import type { DeployResult } from '#protocol/task-result.ts';
import { findDisks } from '../disk/disk-finder.ts';
import { requireUnused } from '../disk/disk-use.ts';
import { drain, sourceOf } from '../receive/byte-source.ts';
import { ProgressMeter } from '../receive/progress-meter.ts';
import { StreamGauge } from '../receive/stream-gauge.ts';
import { startUdpReceiver } from '../receive/udp-receiver.ts';
import { retryWhileAway } from '../server-link.ts';
import type { DeployMachine } from './deploy-machine.ts';
import type { OrderedDisk } from './deploy-target.ts';
import { DeployTargets } from './deploy-targets.ts';

/** A disk that hangs moves nothing; the reports must still say how full the buffer is. In ms. */
const TELL_BUFFER_MS = 1000;

/** What a prepared job knows. */
interface Prepared {
  /** Of the deployment network. */
  readonly interfaceName: string;
  readonly targets: DeployTargets;
}

export class DeployJob {
  readonly taskId: number;
  readonly manifestId: string;
  readonly #machine: DeployMachine;
  #prepared: Prepared | undefined;

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
    if (this.#prepared !== undefined && order.step === 'prepare') await this.#checkDisks(order);
    this.#prepared ??= await this.#prepare(order, signal);
    const { targets } = this.#prepared;
    const makeMeter = (phase: string) => new ProgressMeter(phase, targets, onProgress, targets.warnings);
    const meter = makeMeter(order.step);
    switch (order.step) {
      case 'prepare':
        if (order.hash === true) await targets.hash(makeMeter('hash'), signal);
        break;
      case 'receive':
        await this.#receive(order, this.#prepared, meter, signal);
        break;
      case 'repair':
        await this.#repair(order, targets, meter, signal);
        break;
      case 'verify':
        await targets.readBack(meter, signal);
        break;
      case 'finish':
        return targets.finish(order, meter, signal);
    }
    await this.#machine.link.putHoles(this.taskId, targets.holes, signal);
    return undefined;
  }

  /** Ends the worker threads. */
  async close(): Promise<void> {
    await this.#prepared?.targets.close();
    this.#prepared = undefined;
  }

  /** Step 1. Are they the disks of the plan, does the image fit them? */
  async #prepare(order: DeployOrder, signal: AbortSignal): Promise<Prepared> {
    const { disks, interfaceName } = await this.#checkDisks(order);
    return { interfaceName, targets: await DeployTargets.prepare(order, disks, this.#machine, signal) };
  }

  /** Finds the disks of the plan among those that are there now. Throws DISK_CHANGED, DISK_AMBIGUOUS, DISK_IN_USE, DISK_READ_ONLY. */
  async #checkDisks(order: DeployOrder): Promise<{ disks: OrderedDisk[]; interfaceName: string }> {
    const inventory = await this.#machine.readInventory();
    const failed = this.#prepared?.targets.failed.map(({ disk }) => disk) ?? [];
    const ordered = [{ ...order, source: 0 }, ...(order.twins ?? [])].filter(
      ({ disk }) => !failed.some((one) => isSameDisk(one, disk)),
    );
    const there = inventory.disks.filter((disk) => !failed.some((one) => isSameDisk(one, disk)));
    const found = findDisks(
      there,
      ordered.map(({ disk }) => disk),
    );
    // What this job has opened on them itself holds them.
    if (this.#prepared?.targets.areHeld !== true) for (const disk of found) await requireUnused(disk, 'write');
    return {
      disks: found.map((disk, i) => ({ disk, source: ordered[i]!.source ?? 0, fit: ordered[i]!.fit })),
      interfaceName: inventory.interface,
    };
  }

  /** Step 2. Hears the cast to its end, however it ends: what did not arrive whole stays a hole. */
  async #receive(
    order: DeployOrder,
    { interfaceName, targets }: Prepared,
    meter: ProgressMeter,
    signal: AbortSignal,
  ): Promise<void> {
    const { cast } = order;
    if (cast === undefined) throw knownError('AGENT_FAILED', { reason: 'the order to receive names no cast' });
    const reader = targets.makeReader(order.sessionId, Buffer.from(cast.nonce, 'hex'), cast);
    const receiver = startUdpReceiver(interfaceName, cast);
    const leave = () => receiver.leave();
    signal.addEventListener('abort', leave, { once: true });
    meter.gauge = new StreamGauge(targets.slabs);
    const telling = setInterval(() => meter.tellAgain(), TELL_BUFFER_MS);
    try {
      await targets.lay({ source: receiver.source, reader, road: 'cast' }, meter, signal);
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
  async #repair(order: DeployOrder, targets: DeployTargets, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    if (targets.holes.count === 0) return;
    const { link, log } = this.#machine;
    await retryWhileAway(
      async () => {
        const nonce = randomBytes(NONCE_BYTES);
        const stream = await link.frames(this.taskId, targets.holes, nonce.toString('hex'), signal);
        try {
          const reader = targets.makeReader(order.sessionId, nonce);
          await targets.lay({ source: sourceOf(stream), reader, road: 'http' }, meter, signal);
        } finally {
          stream.destroy();
        }
      },
      signal,
      log,
    );
  }
}
