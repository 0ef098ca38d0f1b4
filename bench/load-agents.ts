/**
 * Many agents in one program, for bench/load.ts: they speak the real agent API with the agent's own HTTP client, but have no disk. Each
 * boots, says hello, follows its orders, reports every HEARTBEAT_MS and at every change, and tells its holes. Prints one line of JSON.
 *
 * load-agents.ts --server URL --count N --work-ms N --look-ms N
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { ServerLink } from '#agent/server-link.ts';
import {
  AGENT_PROTOCOL,
  type BootTarget,
  type DeployOrder,
  HEARTBEAT_MS,
  type Inventory,
  type Order,
  type Progress,
  type Report,
} from '#protocol/agent-api.ts';
import { HoleSet } from '#protocol/holes.ts';
import { decodeManifest } from '#protocol/manifest.ts';
import { loadHost } from './load-hosts.ts';

/** What the agents met, as bench/load.ts reads it. */
export interface LoadResult {
  /** Milliseconds of every call that is answered at once, by kind. */
  readonly callMs: Readonly<Record<string, readonly number[]>>;
  readonly reportsSent: number;
  readonly reportsFailed: number;
}

const GIB = 1024 ** 3;
const DISK_BYTES = 64 * GIB;

const { values } = parseArgs({
  options: {
    server: { type: 'string' },
    count: { type: 'string' },
    'work-ms': { type: 'string' },
    'look-ms': { type: 'string' },
  },
});
const server = values.server!;
const workMs = Number(values['work-ms']);
const longestLookMs = Number(values['look-ms']);
const log = pino({ level: 'error' }, pino.destination(2));

const callMs: Record<string, number[]> = {};
let reportsSent = 0;
let reportsFailed = 0;
const chunkCounts = new Map<string, number>();

async function timed<T>(kind: string, call: () => Promise<T>): Promise<T> {
  const beganMs = performance.now();
  const answer = await call();
  callMs[kind] ??= [];
  callMs[kind].push(performance.now() - beganMs);
  return answer;
}

class LoadAgent {
  readonly #index: number;
  readonly #link = new ServerLink({ server, log });
  #order: Order = { kind: 'wait', rev: '' };
  #state: Omit<Report, 'rev'> = { status: 'idle' };
  #nudge: () => void = () => undefined;
  #isReleased = false;

  constructor(index: number) {
    this.#index = index;
  }

  /** From power-on until its task is done. */
  async live(): Promise<void> {
    const { mac, systemUuid } = loadHost(this.#index);
    const next = await fetch(`${server}/boot/v1/next?mac=${mac}&uuid=${systemUuid}`);
    const target = (await next.json()) as BootTarget;
    if (target.target !== 'agent') throw new Error(`host ${this.#index} is to boot ${JSON.stringify(target)}`);
    const hello = {
      protocol: AGENT_PROTOCOL,
      agentVersion: 'load',
      bootToken: target.bootToken,
      inventory: inventoryOf(this.#index),
    };
    await timed('hello', () => this.#link.hello(hello));
    const reporting = this.#report();
    await this.#follow();
    this.#isReleased = true;
    this.#nudge();
    await reporting;
    this.#link.close();
  }

  async #follow(): Promise<void> {
    let hasWorked = false;
    const signal = new AbortController().signal;
    for (;;) {
      const order = await this.#link.order(this.#order.rev, signal);
      if (order.rev === this.#order.rev) continue;
      this.#order = order;
      this.#tell({ status: 'idle' });
      if (order.kind === 'deploy') {
        hasWorked = true;
        await this.#deploy(order);
      } else if (hasWorked) return;
    }
  }

  async #deploy(order: DeployOrder): Promise<void> {
    const { step, taskId, manifestId } = order;
    if (step === 'hold') return;
    if (step === 'prepare') {
      // A machine looks at its disks before it answers, and none is as quick as another.
      await delay(Math.random() * longestLookMs);
      const bytes = await timed('manifest', () => this.#link.readManifest(manifestId));
      if (!chunkCounts.has(manifestId)) chunkCounts.set(manifestId, decodeManifest(bytes, manifestId).chunkCount);
    }
    const chunks = chunkCounts.get(manifestId)!;
    if (step === 'repair' || step === 'verify') await this.#work(step);
    if (step === 'finish') {
      const disk = inventoryOf(this.#index).disks[0]!;
      const deployResult = { disk, chunks, castBytes: 0, httpBytes: this.#index, verifiedChunks: chunks };
      return this.#tell({ status: 'done', deployResult });
    }
    const holes = step === 'prepare' ? HoleSet.all(chunks) : HoleSet.none(chunks);
    await timed('holes', () => this.#link.putHoles(taskId, holes));
    this.#tell({ status: 'done' });
  }

  /** Moves on between two heartbeats, as a disk would. */
  async #work(phase: string): Promise<void> {
    const began = performance.now();
    const duration = workMs * (0.75 + Math.random() / 2);
    for (let done = 0; done < duration; done = performance.now() - began) {
      const progress: Progress = {
        phase,
        doneBytes: Math.round((done / duration) * GIB),
        totalBytes: GIB,
        bytesPerSecond: 50e6,
      };
      this.#state = { status: 'working', progress };
      await delay(HEARTBEAT_MS / 2);
    }
  }

  async #report(): Promise<void> {
    while (!this.#isReleased) {
      const { rev } = this.#order;
      if (rev !== '') {
        reportsSent++;
        await timed('report', () => this.#link.report({ rev, ...this.#state })).catch(() => {
          reportsFailed++;
        });
      }
      await Promise.race([
        delay(HEARTBEAT_MS),
        new Promise<void>((resolve) => {
          this.#nudge = resolve;
        }),
      ]);
    }
  }

  #tell(state: Omit<Report, 'rev'>): void {
    this.#state = state;
    this.#nudge();
  }
}

function inventoryOf(index: number): Inventory {
  const { mac, systemUuid, address } = loadHost(index);
  const disk = {
    path: '/dev/sda',
    model: 'Load disk',
    serial: `LOAD${index}`,
    sizeBytes: DISK_BYTES,
    sectorBytes: 512,
  };
  return {
    ...{ systemUuid, mac, macs: [mac], manufacturer: 'LabCo', product: 'Load', serial: `L${index}` },
    ...{ firmware: 'light', cpus: 4, memoryBytes: 8 * GIB, address, interface: 'eth0', linkMbit: 1000 },
    disks: [{ ...disk, transport: 'sata', removable: false, readOnly: false, inUse: false, content: '' }],
  };
}

const lives = Array.from({ length: Number(values.count) }, async (_, i) => {
  // Machines that are switched on together do not start within the same millisecond.
  await delay(Math.random() * HEARTBEAT_MS * 5);
  return new LoadAgent(i).live();
});
await Promise.all(lives);
console.log(JSON.stringify({ callMs, reportsSent, reportsFailed } satisfies LoadResult));
