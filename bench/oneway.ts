/**
 * Bench: what lost packets cost a one-way cast. The same image by `--mode oneway` to four hosts whose cables lose nothing, 1 % and 5 % of
 * the packets, and by an acknowledged multicast at the same rate over the same cables, in turns. Packets are dropped at random
 * by the kernel, at each host's port of the switch (lab/lossy-link.ts). Needs root.
 */
import { truncateSync } from 'node:fs';
import { planGoldenDisk } from '#lab/golden-disk.ts';
import type { Lab } from '#lab/lab.ts';
import { setLinkFault } from '#lab/lossy-link.ts';
import type { EventView } from '#protocol/admin/event-api.ts';
import { deployBench, withBenchLab } from './bench-lab.ts';

const LINK_MBIT = 40;
/** The spare packets come on top. */
const RATE_MBIT = 34;
const USED_MIB = 32;
const NAMES = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
const LOSSES = [0, 0.01, 0.05];
const MODES = ['oneway', 'multicast'] as const;

interface Row {
  readonly name: string;
  readonly metrics: Record<string, number>;
}

interface Played {
  /** From the first byte until the last host had every chunk. */
  readonly servedS: number;
  /** From the order until the last host was verified. */
  readonly roadS: number;
  /** What did not come by the cast, of the bytes on the disks. */
  readonly httpShare: number;
}

/** Seconds by mode and loss; `timeRatio` against the same mode without loss, by the medians of all rounds. */
export async function benchOneway(o: { quick: boolean }): Promise<Row[]> {
  const { diskBytes } = planGoldenDisk(USED_MIB, 1);
  return withBenchLab({ hosts: NAMES, linkMbit: LINK_MBIT, usedMiB: USED_MIB }, async (lab) => {
    const played = new Map<string, Played[]>();
    for (let round = 0; round < (o.quick ? 1 : 3); round++) {
      for (const loss of LOSSES) {
        for (const mode of MODES) {
          const key = nameOf(mode, loss);
          played.set(key, [...(played.get(key) ?? []), await play(lab, diskBytes, mode, loss)]);
        }
      }
    }
    return MODES.flatMap((mode) => LOSSES.map((loss) => rowOf(played, mode, loss)));
  });
}

async function play(lab: Lab, diskBytes: number, mode: string, loss: number): Promise<Played> {
  for (const name of NAMES) {
    const host = lab.host(name);
    truncateSync(lab.diskOf(host), 0);
    truncateSync(lab.diskOf(host), diskBytes);
    await setLinkFault(lab.topology, host, loss === 0 ? {} : { loss });
  }
  const more = ['--mode', mode, '--rate', String(RATE_MBIT), '--delta', 'never'];
  const session = await deployBench(lab, NAMES, more);
  const events = (await lab.get(`/api/v1/events?session=${session.sessionId}&limit=1000`)) as EventView[];
  const servedMs = Math.max(...events.filter(({ action }) => action === 'verifying').map(({ atMs }) => atMs));
  const results = session.tasks.map(({ deployResult }) => deployResult!);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const httpBytes = sum(results.map((result) => result.httpBytes));
  return {
    servedS: (servedMs - session.casts[0]!.firstByteAtMs!) / 1000,
    roadS: (session.endedAtMs! - session.createdAtMs) / 1000,
    httpShare: httpBytes / (httpBytes + sum(results.map((result) => result.castBytes))),
  };
}

function rowOf(played: ReadonlyMap<string, readonly Played[]>, mode: string, loss: number): Row {
  const mine = played.get(nameOf(mode, loss))!;
  const clean = played.get(nameOf(mode, 0))!;
  const servedS = median(mine.map((one) => one.servedS));
  const roadS = median(mine.map((one) => one.roadS));
  return {
    name: nameOf(mode, loss),
    metrics: {
      ...{ servedS, servedMaxS: Math.max(...mine.map((one) => one.servedS)) },
      timeRatio: servedS / median(clean.map((one) => one.servedS)),
      ...{ roadS, roadRatio: roadS / median(clean.map((one) => one.roadS)) },
      httpShare: median(mine.map((one) => one.httpShare)),
    },
  };
}

function nameOf(mode: string, loss: number): string {
  return `${mode}, ${loss * 100} % lost`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
