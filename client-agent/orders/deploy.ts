/**
 * The deploy job of one host, from top to bottom: prepare → hold → receive → repair → verify → finish.
 * The server orders each step, in whatever sequence the session needs; the job only keeps its target: the disk, and what
 * it lacks (deploy-target.ts). Losing it (a reboot) costs time, never truth.
 */
import { randomBytes } from 'node:crypto';
import type { DeployOrder, DeployResult, Progress } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { NONCE_BYTES } from '#protocol/frame.ts';
import { findDisk } from '../disk/disk-finder.ts';
import { requireUnused } from '../disk/disk-use.ts';
import { drain, sourceOf } from '../receive/byte-source.ts';
import { ProgressMeter } from '../receive/progress-meter.ts';
import { StreamGauge } from '../receive/stream-gauge.ts';
import { startUdpReceiver } from '../receive/udp-receiver.ts';
import { retryWhileAway } from '../server-link.ts';
import { type DeployMachine, DeployTarget } from './deploy-target.ts';

/** A disk that hangs moves nothing; the reports must still say how full the buffer is. In ms. */
const TELL_BUFFER_MS = 1000;

/** What a prepared job knows. */
interface Prepared {
  /** Of the deployment network. */
  readonly interfaceName: string;
  readonly target: DeployTarget;
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
    if (this.#prepared !== undefined && order.step === 'prepare') await this.#checkDisk(order);
    this.#prepared ??= await this.#prepare(order, signal);
    const { target } = this.#prepared;
    const meter = new ProgressMeter(order.step, target.holes, onProgress);
    switch (order.step) {
      case 'prepare':
        if (order.hash === true && target.isUnread) await target.hash(onProgress, signal);
        break;
      case 'receive':
        await this.#receive(order, this.#prepared, meter, signal);
        break;
      case 'repair':
        await this.#repair(order, target, meter, signal);
        break;
      case 'verify':
        await target.readBack(meter, signal);
        break;
      case 'finish':
        return target.finish(order, meter, signal);
    }
    await this.#machine.link.putHoles(this.taskId, target.holes, signal);
    return undefined;
  }

  /** Ends the worker threads. */
  async close(): Promise<void> {
    await this.#prepared?.target.close();
    this.#prepared = undefined;
  }

  /** Step 1. Is it the disk of the plan, does the image fit it? */
  async #prepare(order: DeployOrder, signal: AbortSignal): Promise<Prepared> {
    const { disk, interfaceName } = await this.#checkDisk(order);
    return { interfaceName, target: await DeployTarget.prepare(order, disk, this.#machine, signal) };
  }

  /** Finds the disk of the plan among the disks that are there now. Throws DISK_CHANGED, DISK_AMBIGUOUS, DISK_IN_USE, DISK_READ_ONLY. */
  async #checkDisk(order: DeployOrder): Promise<{ disk: Disk; interfaceName: string }> {
    const inventory = await this.#machine.readInventory();
    const disk = findDisk(inventory.disks, order.disk);
    await requireUnused(disk, 'write');
    return { disk, interfaceName: inventory.interface };
  }

  /** Step 2. Hears the cast to its end, however it ends: what did not arrive whole stays a hole. */
  async #receive(
    order: DeployOrder,
    { interfaceName, target }: Prepared,
    meter: ProgressMeter,
    signal: AbortSignal,
  ): Promise<void> {
    const { cast } = order;
    if (cast === undefined) throw knownError('AGENT_FAILED', { reason: 'the order to receive names no cast' });
    const reader = target.makeReader(order.sessionId, Buffer.from(cast.nonce, 'hex'), cast);
    const receiver = startUdpReceiver(interfaceName, cast);
    const leave = () => receiver.leave();
    signal.addEventListener('abort', leave, { once: true });
    meter.gauge = new StreamGauge(target.workers);
    const telling = setInterval(() => meter.tellAgain(), TELL_BUFFER_MS);
    try {
      await target.lay({ source: receiver.source, reader, road: 'cast' }, meter, signal);
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
  async #repair(order: DeployOrder, target: DeployTarget, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
    if (target.holes.count === 0) return;
    const { link, log } = this.#machine;
    await retryWhileAway(
      async () => {
        const nonce = randomBytes(NONCE_BYTES);
        const stream = await link.frames(this.taskId, target.holes, nonce.toString('hex'), signal);
        try {
          const reader = target.makeReader(order.sessionId, nonce);
          await target.lay({ source: sourceOf(stream), reader, road: 'http' }, meter, signal);
        } finally {
          stream.destroy();
        }
      },
      signal,
      log,
    );
  }
}
