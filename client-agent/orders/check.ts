/** The check-up of one host, step by step: listens to a multicast probe, measures link, memory, clock and disks. Writes nothing. */
import { readFile } from 'node:fs/promises';
import type { CheckOrder, Inventory } from '#protocol/agent-api.ts';
import type { CheckResult, DiskReading } from '#protocol/check.ts';
import type { ProbeOrder } from '#protocol/probe.ts';
import { run } from '#system/run.ts';
import { measureReading } from '../disk/read-speed.ts';
import { listenToProbe } from '../receive/probe-listener.ts';
import type { DeployMachine } from './deploy-machine.ts';

/** What was heard, as soon as the listening is over. */
type Heard = Pick<CheckResult, 'heard' | 'heardMs' | 'deafBecause'>;

export class CheckJob {
  readonly #checkId: string;
  readonly #machine: Pick<DeployMachine, 'readInventory'>;
  #inventory: Inventory | undefined;
  #listening: { readonly end: () => void; readonly heard: Promise<Heard> } | undefined;

  constructor(order: CheckOrder, machine: Pick<DeployMachine, 'readInventory'>) {
    this.#checkId = order.checkId;
    this.#machine = machine;
  }

  /** Whether the order belongs to this check-up. */
  isOf(order: CheckOrder): boolean {
    return order.checkId === this.#checkId;
  }

  /** Does one step; only `measure` has a result. A host that cannot listen says why at the end. Throws AGENT_FAILED, AbortError. */
  async run(order: CheckOrder, signal: AbortSignal): Promise<CheckResult | undefined> {
    this.#inventory ??= await this.#machine.readInventory();
    if (order.step === 'listen') {
      if (order.probe !== undefined) await this.#listen(order.probe, this.#inventory.interface);
      return undefined;
    }
    const hearing = await this.#endListening();
    const [link, disks] = await Promise.all([
      readLink(this.#inventory.interface),
      readDisks(this.#inventory, order, signal),
    ]);
    const { interface: name, linkMbit, memoryBytes } = this.#inventory;
    return {
      ...{ interface: name, ...link, ...hearing, memoryBytes, disks },
      ...(linkMbit === undefined ? {} : { linkMbit }),
      freeMemoryBytes: await readFreeMemory(),
      receiveBufferBytes: Number(await readFile('/proc/sys/net/core/rmem_max', 'utf8')),
      nowMs: Date.now(),
    };
  }

  /** Stops listening. May be repeated. */
  async close(): Promise<void> {
    await this.#endListening();
  }

  /** Resolves when the group has been joined, or cannot be. */
  async #listen(probe: ProbeOrder, interfaceName: string): Promise<void> {
    const ending = new AbortController();
    const joined = Promise.withResolvers<void>();
    const heard = listenToProbe(probe, interfaceName, ending.signal, joined.resolve).then(
      ({ heard: count, spanMs }): Heard => ({ heard: count, heardMs: spanMs }),
      (error: unknown): Heard => ({ heard: 0, deafBecause: (error as Error).message }),
    );
    this.#listening = { end: () => ending.abort(), heard };
    await Promise.race([joined.promise, heard]);
  }

  async #endListening(): Promise<Heard> {
    this.#listening?.end();
    const hearing = (await this.#listening?.heard) ?? {};
    this.#listening = undefined;
    return hearing;
  }
}

/** One after another: they may share a controller. Disks that nothing would ever be written to are left alone. */
async function readDisks({ disks }: Inventory, order: CheckOrder, signal: AbortSignal): Promise<DiskReading[]> {
  const readings: DiskReading[] = [];
  for (const disk of disks) {
    if (disk.removable || disk.inUse) continue;
    const { path, model, serial, sizeBytes } = disk;
    const speed = await measureReading(disk, { mostBytes: order.diskBytes, mostMs: order.diskMs, signal });
    readings.push({ path, model, serial, sizeBytes, ...speed });
  }
  return readings;
}

async function readLink(name: string): Promise<{ mtu: number; hasBroadcast: boolean }> {
  const [link] = JSON.parse(
    (await run(['ip', '-json', 'address', 'show', 'dev', name], { limitMs: 10_000 })).stdout,
  ) as {
    mtu: number;
    addr_info: { family: string; broadcast?: string }[];
  }[];
  return {
    mtu: link!.mtu,
    hasBroadcast: link!.addr_info.some(({ family, broadcast }) => family === 'inet' && broadcast !== undefined),
  };
}

/** What programs could get without swapping (proc(5), MemAvailable), in bytes. */
async function readFreeMemory(): Promise<number> {
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}
