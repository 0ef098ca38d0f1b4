/**
 * Bench: from power-on to an agent that has said hello, for each firmware, in phases. A virtual machine each, alone on the
 * machine, with real firmware and the daemon's own DHCP, TFTP and HTTP. Nothing in the machine is changed for it: the moments
 * are those of its serial console and of the daemon's log.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { readyBootAssets } from '#lab/boot-cache.ts';
import { linesOf } from '#lab/console-words.ts';
import { Lab } from '#lab/lab.ts';
import { type VirtualMachine, type VmFirmware, vmFirmwares } from '#lab/virtual-machine.ts';
import { VmRack } from '#lab/vm-rack.ts';
import { type Moment, measurePhases, phases } from './boot-phases.ts';

const DISK_BYTES = 64 * 1024 * 1024;
const LINK_MBIT = 1000;
const LIMIT_MS = 300_000;
/** How late a moment of the console may be noticed. */
const LOOK_EVERY_MS = 20;

interface Row {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Seconds of each phase, the median of the rounds; `slowest` is the whole of the slowest round. Needs root. */
export async function benchPowerOn({ quick }: { quick: boolean }): Promise<Row[]> {
  const assets = await readyBootAssets((line) => console.log(`    ${line}`));
  const rows: Row[] = [];
  for (const firmware of vmFirmwares) {
    const rounds: Record<string, number>[] = [];
    for (let i = 0; i < (quick ? 1 : 3); i++) rounds.push(await bootOnce(firmware, assets));
    const names = [...phases.map(({ name }) => name), 'all'];
    const metrics = Object.fromEntries(names.map((name) => [name, median(rounds.map((round) => round[name]!))]));
    rows.push({ name: firmware, metrics: { ...metrics, slowest: Math.max(...rounds.map(({ all }) => all!)) } });
  }
  return rows;
}

async function bootOnce(firmware: VmFirmware, assets: string): Promise<Record<string, number>> {
  const lab = await Lab.create({ hosts: [], linkMbit: LINK_MBIT, diskBytes: DISK_BYTES });
  const stop = () => void lab.takeDown().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    const rack = new VmRack(lab);
    lab.giveBootAssets(assets);
    await lab.startDaemon({ moreConfig: rack.daemonConfig, logLevel: 'debug' });
    const vm = await rack.add({ name: firmware, firmware, diskBytes: DISK_BYTES });
    const added = await lab.fleetcast(['host', 'add', vm.name, vm.mac]);
    if (added.exitCode !== 0) throw new Error(added.stderr);
    rack.powerOn(vm);
    const consoleMoments = await watchConsole(rack, vm);
    const poweredOnMs = Date.parse(readFileSync(rack.powerLogOf(vm), 'utf8').split(' ')[0]!);
    return measurePhases(poweredOnMs, [...daemonMoments(readFileSync(lab.daemonLog, 'utf8')), ...consoleMoments]);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    await lab.takeDown();
  }
}

/** Until the agent has been welcomed: when each line was first seen whole. */
async function watchConsole(rack: VmRack, vm: VirtualMachine): Promise<Moment[]> {
  const moments: Moment[] = [];
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const lines = linesOf(rack.serialText(vm)).slice(0, -1);
    for (const text of lines.slice(moments.length)) {
      moments.push({ atMs: Date.now(), from: 'console', text: text.trim() });
    }
    if (moments.some(({ text }) => phases.at(-1)!.pattern.test(text))) return moments;
    if (performance.now() > deadline) {
      throw new Error(`${vm.name} did not come up in ${LIMIT_MS / 1000} s; it last said: ${moments.at(-1)?.text}`);
    }
    await delay(LOOK_EVERY_MS);
  }
}

function daemonMoments(log: string): Moment[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as { time: number; msg: string; method?: string; url?: string })
    .map(({ time, msg, method, url }) => ({
      atMs: time,
      from: 'daemon' as const,
      text: url === undefined ? msg : `${method} ${url}`,
    }));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
