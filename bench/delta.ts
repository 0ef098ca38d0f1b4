/**
 * Bench (delta): a re-image of disks that have drifted by 2 % and by 10 %, against a full cast to the same disks in the same run.
 * Half of what has drifted is the same on all hosts, half is each host's own. Daemon, agents and CLI are the real ones.
 */
import { driftDisk, manifestIn, spreadChunks } from '#lab/drift.ts';
import type { Lab } from '#lab/lab.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { type Manifest, placeOf } from '#protocol/manifest.ts';
import { deployBench, withBenchLab } from './bench-lab.ts';

/** Slow enough that two processors are not what is measured. */
const LINK_MBIT = 20;
const USED_MIB = 128;
const DRIFTS = [0, 0.02, 0.1];

interface Row {
  readonly name: string;
  readonly metrics: Record<string, number>;
}

/** Seconds are from the order to the last verified host, shares are of the full cast in the same round. Needs root. */
export function benchDelta(o: { quick: boolean }): Promise<Row[]> {
  const hosts = Array.from({ length: o.quick ? 4 : 8 }, (_, i) => `pc-${i + 1}`);
  return withBenchLab({ hosts, linkMbit: LINK_MBIT, usedMiB: USED_MIB }, async (lab) => {
    // The first session also shows the daemon what the network gives.
    const { manifestId } = await deployBench(lab, hosts);
    const manifest = manifestIn(lab, manifestId!);
    const rounds: Map<number, { full: SessionView; delta: SessionView }>[] = [];
    for (let i = 0; i < (o.quick ? 1 : 3); i++) rounds.push(await playRound(lab, hosts, manifest));
    return DRIFTS.map((drift) => {
      const pairs = rounds.map((round) => round.get(drift)!);
      return { name: `${drift * 100} % drift, ${hosts.length} hosts`, metrics: metricsOf(pairs, manifest) };
    });
  });
}

async function playRound(lab: Lab, hosts: readonly string[], manifest: Manifest) {
  for (const host of hosts) driftDisk(lab.diskOf(lab.host(host)), manifest, spreadChunks(manifest, 1));
  const full = await deployBench(lab, hosts, ['--delta', 'never']);
  const round = new Map<number, { full: SessionView; delta: SessionView }>();
  for (const drift of DRIFTS) {
    for (const [i, host] of hosts.entries()) {
      const half = drift / 2;
      const changed = new Set([...spreadChunks(manifest, half), ...spreadChunks(manifest, half, 2 + i)]);
      if (drift > 0) driftDisk(lab.diskOf(lab.host(host)), manifest, [...changed]);
    }
    round.set(drift, { full, delta: await deployBench(lab, hosts) });
  }
  return round;
}

function metricsOf(
  pairs: readonly { full: SessionView; delta: SessionView }[],
  manifest: Manifest,
): Record<string, number> {
  const fullS = median(pairs.map(({ full }) => secondsOf(full)));
  const deltaS = median(pairs.map(({ delta }) => secondsOf(delta)));
  return {
    fullS,
    deltaS,
    timeShare: median(pairs.map(({ full, delta }) => secondsOf(delta) / secondsOf(full))),
    movedShare: median(pairs.map(({ delta }) => movedShare(delta, manifest))),
    passes: Math.max(...pairs.map(({ delta }) => delta.casts.length)),
  };
}

function secondsOf(session: SessionView): number {
  return (session.endedAtMs! - session.createdAtMs) / 1000;
}

/** Bytes that were laid on the disks, as a share of the image on each of them. */
function movedShare({ tasks }: SessionView, manifest: Manifest): number {
  let imageBytes = 0;
  for (let ordinal = 0; ordinal < manifest.chunkCount; ordinal++) imageBytes += placeOf(manifest, ordinal).plainBytes;
  const moved = tasks.map(({ deployResult }) => deployResult!.castBytes + deployResult!.httpBytes);
  return moved.reduce((sum, bytes) => sum + bytes, 0) / (imageBytes * tasks.length);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
