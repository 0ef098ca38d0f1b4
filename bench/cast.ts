/**
 * Bench (a): our cast against udp-sender and udp-receiver alone. The real daemon, the real agents (42 of them all the
 * time), the same bytes, options and link; ours and bare in turn. The link is slow enough that two processors are not
 * what is measured; how busy they were is printed, and a round above 80 % does not count.
 */
import { readFileSync, truncateSync } from 'node:fs';
import { runBareCast } from '#lab/bare-cast.ts';
import { planGoldenDisk } from '#lab/golden-disk.ts';
import type { Lab } from '#lab/lab.ts';
import type { LabHost } from '#lab/topology.ts';
import { deployBench, withBenchLab } from './bench-lab.ts';

/** 42 agents hold this on two processors (facts: 100 % of the ceiling at 10, 88 % at 20). */
const LINK_MBIT = 10;
/** UDP payload of a full Ethernet frame, over the bytes that tbf counts for it. */
const WIRE_SHARE = 1456 / 1514;
const MOST_BUSY = 0.8;
const USED_MIB = 24;

interface Round {
  readonly ours: number;
  readonly bare: number;
  /** From the order to the last verified host. */
  readonly road: number;
  readonly bytes: number;
  readonly busy: number;
}

/** Seconds are `…S`, shares of 1 are ratios; ratio = bare / ours, so 1 is as quick as udpcast alone. Needs root. */
export async function benchCast(o: { quick: boolean }): Promise<{ name: string; metrics: Record<string, number> }[]> {
  const sizes = o.quick ? [1, 8] : [1, 8, 42];
  const names = Array.from({ length: sizes.at(-1)! }, (_, i) => `pc-${i + 1}`);
  return withBenchLab({ hosts: names, linkMbit: LINK_MBIT, usedMiB: USED_MIB }, async (lab) => {
    const rows: { name: string; metrics: Record<string, number> }[] = [];
    const medians: number[] = [];
    for (const size of sizes) {
      const hosts = names.slice(0, size).map((name) => lab.host(name));
      const rounds: Round[] = [];
      for (let i = 0; i < (o.quick ? 1 : 3); i++) rounds.push(await playRound(lab, hosts));
      medians.push(median(rounds.map(({ ours }) => ours)));
      rows.push({ name: `cast to ${size} hosts`, metrics: metricsOf(rounds) });
    }
    rows.push({ name: `cast: ${sizes.at(-1)} hosts against 1`, metrics: { timeRatio: medians.at(-1)! / medians[0]! } });
    return rows;
  });
}

function metricsOf(rounds: readonly Round[]): Record<string, number> {
  const ratios = rounds.map(({ ours, bare }) => bare / ours).sort((a, b) => a - b);
  const ours = median(rounds.map((round) => round.ours));
  const { bytes } = rounds[0]!;
  return {
    castS: ours,
    bareS: median(rounds.map(({ bare }) => bare)),
    roadS: median(rounds.map(({ road }) => road)),
    ratioMin: ratios[0]!,
    ratioMedian: median(ratios),
    ratioMax: ratios.at(-1)!,
    shareOfWire: (bytes * 8) / ours / (LINK_MBIT * 1e6 * WIRE_SHARE),
    streamMB: bytes / 1e6,
    busy: Math.max(...rounds.map(({ busy }) => busy)),
    tooBusyRounds: rounds.filter(({ busy }) => busy > MOST_BUSY).length,
  };
}

async function playRound(lab: Lab, hosts: readonly LabHost[]): Promise<Round> {
  for (const host of hosts) blank(lab.diskOf(host), planGoldenDisk(USED_MIB, 1).diskBytes);
  const before = readProcessorTimes();
  const names = hosts.map(({ name }) => name);
  // Every byte is to be cast: nobody looks at what the disks hold.
  const session = await deployBench(lab, names, ['--delta', 'never']);
  const cast = session.casts[0];
  if (session.casts.length !== 1 || cast?.firstByteAtMs === undefined || cast.endedAtMs === undefined) {
    throw new Error(`the session did not end with one cast: ${JSON.stringify(session.casts)}`);
  }
  const bare = await runBareCast(lab, hosts, cast.bytes);
  return {
    ours: (cast.endedAtMs - cast.firstByteAtMs) / 1000,
    bare: bare.seconds,
    road: ((session.endedAtMs ?? Number.NaN) - session.createdAtMs) / 1000,
    bytes: cast.bytes,
    busy: busyShare(before, readProcessorTimes()),
  };
}

/** Every byte is to be sent again. */
function blank(path: string, bytes: number): void {
  truncateSync(path, 0);
  truncateSync(path, bytes);
}

/** Busy and all time of all processors since boot, in ticks: the first line of /proc/stat, proc(5). */
function readProcessorTimes(): { busy: number; all: number } {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, value) => sum + value, 0);
  const [idle, waitingForDisk] = [ticks[3]!, ticks[4]!];
  return { busy: all - idle - waitingForDisk, all };
}

function busyShare(before: { busy: number; all: number }, after: { busy: number; all: number }): number {
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
